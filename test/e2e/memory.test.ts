import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../src/core/limits.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { type Ran, stowage } from './cli.ts';

const LIMIT = 256 * MIB;
const work = mkdtempSync(join(tmpdir(), 'stowage-memory-'));
let hub: Hub;
let engine: Engine;

const run = (...args: readonly string[]): Promise<Ran> =>
  stowage(
    {
      cwd: work,
      env: {
        ...engine.env,
        HF_ENDPOINT: hub.url,
        STOWAGE_STORE: join(work, 'store'),
        STOWAGE_ROOT: join(work, 'site'),
      },
    },
    ...args,
  );

beforeAll(async () => {
  const folder = join(work, 'hub');
  mkdirSync(folder, { recursive: true });
  writeLargeModel(join(folder, 'large.gguf'), 3 * GIB);
  hub = await startHub({ repos: [{ name: 'demo/large', revisions: { main: folder } }] });
  engine = isolatedEngine(join(work, 'engine'));
  writeFileSync(
    join(work, 'stowage.yaml'),
    'apiVersion: stowage/v1\nname: large\nversion: 1.0.0\nmodels:\n  - { name: large, source: hf://demo/large@main }\n',
  );
});

afterAll(async () => {
  await engine?.destroy();
  await hub?.stop();
  rmSync(work, { recursive: true, force: true });
});

describe('when a model file has 3 GiB', () => {
  it('packs, verifies and installs it with less than 256 MiB resident', async () => {
    const peaks: Record<string, number> = {};
    const step = async (...args: readonly string[]): Promise<Ran> => {
      const ran = await run(...args);
      expect(ran.complaints).toEqual([]);
      expect(ran.status).toBe(0);
      peaks[args[0] ?? ''] = Math.round(ran.peakBytes / MIB);
      return ran;
    };
    await step('lock');
    await step('pack', '--no-installer', '--output', 'bundle');
    const { json } = await step('pki', 'pki');
    await step(
      'sign',
      'bundle',
      '--key',
      'pki/release.key.pem',
      '--certificate',
      'pki/release.pem',
    );
    await step('verify', 'bundle', '--trust', 'pki/root.pem');
    const trust = ['--trust', 'pki/root.pem', '--fingerprint', json.fingerprint];
    await step('install', 'bundle', ...trust);
    console.log(`resident at most, in MiB: ${JSON.stringify(peaks)}`);
    for (const [command, peak] of Object.entries(peaks))
      expect(peak * MIB, command).toBeLessThan(LIMIT);
    expect(peaks['pack']).toBeGreaterThan(0);
  });
});
