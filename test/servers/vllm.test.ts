import { mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deriveOffline } from '../../src/build/derive.ts';
import { messageOf } from '../../src/core/error.ts';
import { MIB } from '../../src/core/limits.ts';
import type { AcceptanceTest } from '../../src/format/deployment.ts';
import { type Manifest, manifestKind } from '../../src/format/manifest.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { acceptanceCheck } from '../../src/site/gate/acceptance.ts';
import { tellingLines } from '../../src/site/gate/failed-log.ts';
import { keyChecks } from '../../src/site/gate/key-check.ts';
import { modelChecks } from '../../src/site/gate/model-list.ts';
import type { Outcome, ServerCheck } from '../../src/site/gate/outcome.ts';
import { serverFigures } from '../../src/site/live/server-figures.ts';
import type { Endpoint } from '../../src/target/http-request.ts';
import { startVllm, trainedLlama, type VllmServer, vllmFolder } from '../lab/vllm/vllm.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';

// vLLM for CPUs with a Llama that is trained here, and the arguments of the worked manifest.

const KEY = 'sk-vllm-4711';
const INSTALL_MS = 1_800_000;
const START_MS = 900_000;
const ADAPTER = { name: 'nemotron-berlin', model: 'berlin' };
const scratch = scratchFolder();
const { signal } = new AbortController();
const worked = workedManifest();
const [service] = worked.services;
const [prompt] = worked.acceptance;
let folder = '';
/** Why nothing can be tested here. */
let missing: string | undefined;
let server: VllmServer;
let args: readonly string[];

beforeAll(async () => {
  const found = await vllmFolder();
  if ('missing' in found) {
    missing = found.missing;
    return;
  }
  folder = found.folder;
  const { model, adapter } = await trainedLlama(folder);
  // What follows `serve MODEL` in the worked manifest, for a model with 2048 tokens and without code of its own.
  const own = (service?.args ?? []).slice(2).filter((each) => each !== '--trust-remote-code');
  const context = own.indexOf('${parameters.contextLength}');
  const adapters = ['--enable-lora', '--lora-modules', `${ADAPTER.name}=${adapter}`];
  args = [model, ...own.with(context, '2048'), ...adapters];
}, INSTALL_MS);

afterAll(() => server?.stop());

beforeEach((context) => {
  if (missing === undefined) return;
  console.error(`vLLM is not tested: ${missing}`);
  skipBecause(context, missing);
});

function workedManifest(): Manifest {
  const path = new URL('../../manifests/nemotron-vllm.yaml', import.meta.url);
  return readYaml(manifestKind, readFileSync(path));
}

function home(): string {
  const path = scratch.fresh('home');
  mkdirSync(path, { recursive: true });
  return path;
}

const endpoint = (): Endpoint => ({
  ...{ address: '127.0.0.1', port: server.port },
  apiKey: async () => KEY,
});

function ask(test: AcceptanceTest): Promise<Outcome> {
  const of = { server: 'vllm', adapters: [ADAPTER], endpoint: endpoint(), signal } as const;
  return acceptanceCheck({ test, ...of }).run();
}

const outcomes = (checks: readonly ServerCheck[]): Promise<Outcome[]> =>
  Promise.all(checks.map(({ run }) => run()));

describe('when the real vLLM has the 64 MB of shared memory that engines give', () => {
  it('cannot start, and the lines that the gate shows name the cause', {
    timeout: START_MS,
  }, async () => {
    const started = startVllm(folder, { home: home(), args, sharedMemory: 64 * MIB });
    const log = await started.then(({ stop }) => stop().then(() => ''), messageOf);
    const lines = tellingLines(log);
    expect(lines.slice(0, 5).join('\n')).toMatch(/line \d+: .*Insufficient space in \/dev\/shm/);
    expect(lines.slice(-20).join('\n')).not.toContain('Insufficient space');
  });
});

describe('when the real vLLM has the shared memory that the lock derives', () => {
  beforeAll(async () => {
    if (missing !== undefined) return;
    const { sharedMemory: _, ...unstated } = service ?? {};
    const [derived] = deriveOffline({ services: [unstated as Manifest['services'][number]] });
    if (derived === undefined) throw new Error('nothing was derived');
    const sharedMemory = Number(derived.value);
    const env = { VLLM_API_KEY: KEY };
    server = await startVllm(folder, { home: home(), args, env, sharedMemory });
    console.log(`vLLM was ready after ${Math.round(server.readySeconds)} s`);
  }, START_MS);

  it('answers the acceptance prompt of the worked manifest', async () => {
    expect(prompt).toMatchObject({ model: 'nemotron', expect: { contains: 'Paris' } });
    expect(await ask(prompt as AcceptanceTest)).toEqual({
      passed: 'from model nemotron, 2 tokens: "Paris"',
    });
  });

  it('answers otherwise with its adapter, which it lists', async () => {
    const adapted = { ...prompt, model: ADAPTER.name, expect: { equals: 'Berlin' } };
    expect(await ask(adapted as AcceptanceTest)).toEqual({
      passed: expect.stringMatching(/^from model nemotron-berlin, \d tokens: "Berlin"$/),
    });
    const health = service?.health;
    if (health === undefined) throw new Error('no health');
    const deployed = { name: 'vllm', dependsOn: [], health, adapters: [ADAPTER], addresses: [] };
    expect(await outcomes(modelChecks(deployed, { endpoint: endpoint(), signal }))).toEqual([
      { passed: 'models: nemotron, nemotron-berlin' },
      { passed: 'models: nemotron, nemotron-berlin' },
    ]);
  });

  it('refuses requests without its API key, and does not show it', async () => {
    const checks = keyChecks(
      { apiKey: 'api-key', server: 'vllm' },
      { endpoint: endpoint(), signal },
    );
    expect(await outcomes(checks)).toEqual([{ passed: '401 without the API key' }]);
    const { apiKey: _, ...open } = endpoint();
    expect(await serverFigures('vllm', open, signal)).toMatchObject({ models: [] });
    expect(readFileSync(server.log, 'utf8')).not.toContain(KEY);
  });

  it('says its context, its cache, its concurrency and what it generates', async () => {
    const before = await serverFigures('vllm', endpoint(), signal);
    await ask(prompt as AcceptanceTest);
    const after = await serverFigures('vllm', endpoint(), signal);
    expect(after).toMatchObject({
      models: [{ id: 'nemotron', context: 2048 }, { id: ADAPTER.name }],
      ...{ running: 0, waiting: 0, cacheTokens: 1_048_576, concurrency: 512 },
    });
    expect((after?.generatedTokens ?? 0) - (before?.generatedTokens ?? 0)).toBe(2);
    expect(after?.cacheUse).toBeGreaterThanOrEqual(0);
  });
});
