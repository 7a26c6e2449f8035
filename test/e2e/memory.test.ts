import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../src/core/limits.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { end, until } from '../lab/process.ts';
import { type Ran, stowage } from './cli.ts';

const LIMIT = 256 * MIB;
const project = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'stowage-memory-'));
let hub: Hub;
let engine: Engine;
let depot: ChildProcess | undefined;

const variables = (site: string): NodeJS.ProcessEnv => ({
  ...engine.env,
  HF_ENDPOINT: hub.url,
  STOWAGE_STORE: join(work, 'store'),
  STOWAGE_ROOT: join(work, site),
});
const runAt = (site: string, ...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd: work, env: variables(site) }, ...args);

/** Serves what the site has. @returns its address */
async function serveSite(): Promise<string> {
  const args = [join(project, 'dist/main.js'), 'depot', '--listen', '127.0.0.1:0'];
  const started = spawn(join(project, 'node_modules/.bin/node'), args, {
    env: { ...process.env, ...variables('site') },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  depot = started;
  let said = '';
  started.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return until('the depot', 60, async () => /127\.0\.0\.1:\d+/.exec(said)?.[0]);
}

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
  if (depot !== undefined) await end(depot, 'SIGKILL');
  await engine?.destroy();
  await hub?.stop();
  rmSync(work, { recursive: true, force: true });
});

describe('when a model file has 3 GiB', () => {
  it('packs, verifies and installs it, and imports it from a depot, with less than 256 MiB resident', async () => {
    const peaks: Record<string, number> = {};
    const counted = (what: string, ran: Ran): Ran => {
      expect(ran.complaints).toEqual([]);
      expect(ran.status).toBe(0);
      peaks[what] = Math.round(ran.peakBytes / MIB);
      return ran;
    };
    const step = async (...args: readonly string[]): Promise<Ran> =>
      counted(args[0] ?? '', await runAt('site', ...args));
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
    rmSync(join(work, 'bundle'), { recursive: true });
    const address = `https://${await serveSite()}/large@1.0.0`;
    counted('import from a depot', await runAt('other', 'import', address, ...trust));
    console.log(`resident at most, in MiB: ${JSON.stringify(peaks)}`);
    for (const [command, peak] of Object.entries(peaks))
      expect(peak * MIB, command).toBeLessThan(LIMIT);
    expect(peaks['pack']).toBeGreaterThan(0);
  });
});
