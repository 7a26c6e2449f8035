import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run as runProgram } from '../lab/process.ts';
import type { Upstream } from '../lab/upstream.ts';
import { type Ran, stowage } from './cli.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));

/** A release engineer's machine: a store, a throwaway authority, and the commands. */
export interface ConnectedSide {
  /** The root certificate. */
  readonly root: string;
  /** Its SHA-256 fingerprint, as openssl prints it. */
  readonly fingerprint: string;
  /** Locks, packs and signs this manifest. @returns the folder of the bundle @throws Error with the output of a command */
  release(manifest: string, output: string, ...packing: readonly string[]): Promise<string>;
  run(...args: readonly string[]): Promise<Ran>;
}

/** Builds the installer from the current sources, unless `scripts/test` has built it for all tests. */
export async function buildInstaller(): Promise<void> {
  if (process.env['STOWAGE_TEST_BUILT'] === '1') return;
  await runProgram(process.execPath, ['scripts/build-installer.ts', 'linux-x64'], { cwd: project });
}

/** Creates one in a folder. @param programs folders of the PATH before others, such as Helm's */
export async function connectedSide(
  folder: string,
  upstream: { readonly hub: Pick<Upstream['hub'], 'url'> },
  programs: readonly string[] = [],
): Promise<ConnectedSide> {
  const env = {
    ...{ HF_ENDPOINT: upstream.hub.url, STOWAGE_STORE: join(folder, 'store') },
    PATH: [...programs, process.env['PATH']].join(':'),
  };
  const run = (...args: readonly string[]): Promise<Ran> => stowage({ cwd: folder, env }, ...args);
  const must = async (...args: readonly string[]): Promise<void> => {
    const { status, stdout, stderr } = await run(...args);
    if (status !== 0)
      throw new Error(`stowage ${args[0]} ended with ${status}: ${stdout}${stderr}`);
  };
  await must('pki', 'pki');
  const root = join(folder, 'pki/root.pem');
  return {
    root,
    fingerprint: fingerprintOf(root),
    run,
    async release(manifest, output, ...packing) {
      const name = `${/^name: (.*)$/m.exec(manifest)?.[1]}.yaml`;
      writeFileSync(join(folder, name), manifest);
      await must('lock', name);
      await must('pack', name, '--output', output, ...packing);
      const key = ['--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem'];
      await must('sign', output, ...key);
      return join(folder, output);
    },
  };
}

/** The demo's manifest, with this registry and this port. */
export function demoManifest(upstream: Upstream, port: number): string {
  return readFileSync(new URL('../../manifests/demo.yaml', import.meta.url), 'utf8')
    .replace('127.0.0.1:15000', upstream.registry.host)
    .replace('default: 8080', `default: ${port}`);
}

function fingerprintOf(certificate: string): string {
  const args = ['x509', '-in', certificate, '-noout', '-fingerprint', '-sha256'];
  const { stdout } = spawnSync('openssl', args, { encoding: 'utf8' });
  return stdout.trim().replace(/^.*=/, '');
}
