import { globSync, readFileSync } from 'node:fs';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { hideSettings } from './test/lab/outside.ts';
import { changedTests } from './test/support/nearest-tests.ts';

hideSettings();

const unit: string[] = globSync('test/**/*.test.ts', {
  cwd: import.meta.dirname,
  exclude: ['test/e2e/**', 'test/clients/**', 'test/servers/**'],
});

const e2e: string[] = globSync('test/e2e/*.test.ts', { cwd: import.meta.dirname });

// A cluster takes 1.3 GB: its tests have a project of their own, one file after the other.
const clusters: string[] = e2e.filter((file) => /support\/kubernetes-lab\.ts'/.test(read(file)));

// Engines of podman on one host give their bridges and subnets the same names, and share the folder of their networks.
// Those of users without root share the files in which their users and subordinate ids are.
const engines: string[] = e2e.filter(
  (file) =>
    !clusters.includes(file) && /lab\/(?:engine|docker|target-host)\.ts'|'podman'/.test(read(file)),
);

// These may run beside any other: their engine is in a network of its own, as docker always is, or on a host of its own,
// or it runs no containers.
const separate: string[] = engines.filter(
  (file) =>
    /ownRun: true|lab\/(?:docker|target-host)\.ts'/.test(read(file)) ||
    /\/(?:files|installer|memory)\.test\.ts$/.test(file),
);

function read(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8');
}

// They end what hangs, and say nothing of speed: a test that may take less has no limit of its own.
const LIMITS = { testTimeout: 900_000, hookTimeout: 900_000 } as const;

const config: ViteUserConfig = defineConfig({
  test: {
    // One worker a core: half of them idle is what vitest would choose for two.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: changedTests(unit) ?? unit,
          // They run beside engines, and a busy disk may take seconds for each fsync.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: [...engines, ...clusters],
          fileParallelism: false,
          ...LIMITS,
        },
      },
      {
        test: {
          name: 'e2e-engines',
          include: engines.filter((file) => !separate.includes(file)),
          fileParallelism: false,
          ...LIMITS,
        },
      },
      {
        test: {
          name: 'e2e-separate',
          include: separate,
          fileParallelism: false,
          ...LIMITS,
        },
      },
      {
        test: {
          name: 'e2e-kubernetes',
          include: clusters,
          fileParallelism: false,
          ...LIMITS,
          // The first run builds the cluster's programs.
          hookTimeout: 1_800_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          // The first run downloads the servers.
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
export default config;
