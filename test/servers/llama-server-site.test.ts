import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Ran, stowage } from '../e2e/cli.ts';
import { type ConnectedSide, connectedSide } from '../e2e/connected.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { startHub } from '../lab/hub.ts';
import { llamaServerImage } from '../lab/llama-server-image.ts';
import { run as program } from '../lab/process.ts';
import { pushLayout, startRegistry } from '../lab/registry.ts';
import { writeTinyModel } from '../lab/tiny-model.ts';

// The worked manifest for llama-server, with a tiny model and without a GPU, on a real podman in an isolated network.

const PORT = 18_190;
const KEY = 'sk-site-one-4711';
/** Processors with which llama-server takes longer to load than it may be without progress. */
const SLOW_CPUS = 0.01;
const SILENT_SECONDS = 2;
const NEXT_KEY = 'sk-site-two-0815';
const work = mkdtempSync(join(tmpdir(), 'sls-'));
const at = (...names: readonly string[]): string => join(work, ...names);
let gap: AirGap;
let engine: Engine;
let side: ConnectedSide;
let worked: string;
let keyless: string;
let slow: string;

/** The worked manifest with what the lab has in place of 14 GB and a GPU. */
function labManifest(registry: string, change: (service: Record<string, unknown>) => void): string {
  const text = readFileSync(
    new URL('../../manifests/gpt-oss-llamacpp.yaml', import.meta.url),
    'utf8',
  );
  // biome-ignore lint/suspicious/noExplicitAny: a manifest before it is checked
  const manifest = parse(text) as any;
  const [service] = manifest.services;
  Object.assign(manifest.models[0], { source: 'hf://demo/tiny-gguf@main', include: ['*.gguf'] });
  manifest.images[0].source = `${registry}/ggml-org/llama.cpp:server`;
  manifest.parameters.port.default = PORT;
  manifest.parameters.contextLength.default = 512;
  delete manifest.files;
  delete service.env.TIKTOKEN_ENCODINGS_BASE;
  service.mounts = service.mounts.filter((each: object) => 'model' in each);
  delete service.gpus;
  const layers = service.args.indexOf('--n-gpu-layers');
  service.args.splice(layers, 2, '--threads', '1', '--metrics');
  change(service);
  return stringify(manifest);
}

beforeAll(async () => {
  const { layout, imageTag } = await llamaServerImage();
  const model = at('model');
  mkdirSync(model);
  writeTinyModel(join(model, 'gpt-oss-20b-F16.gguf'), {
    answer: [' Paris'],
    chatTemplate: '{% for message in messages %}{{ message.content }}{% endfor %}',
  });
  const registry = await startRegistry(at('registry'));
  const revisions = { main: model };
  const hub = await startHub({
    repos: [{ name: 'demo/tiny-gguf', revisions, license: 'apache-2.0' }],
  });
  try {
    await pushLayout(layout, imageTag, `${registry.host}/ggml-org/llama.cpp:server`);
    mkdirSync(at('connected'));
    side = await connectedSide(at('connected'), { hub });
    worked = await side.release(
      labManifest(registry.host, () => {}),
      'worked',
      '--no-installer',
    );
    keyless = await side.release(
      labManifest(registry.host, (service) => {
        const args = service['args'] as string[];
        args.splice(args.indexOf('--api-key-file'), 2);
      }).replace('version: 1.0.0', 'version: 1.1.0'),
      'keyless',
      '--no-installer',
    );
    slow = await side.release(
      labManifest(registry.host, (service) => {
        service['cpus'] = SLOW_CPUS;
        Object.assign(service['health'] as object, { startupSeconds: SILENT_SECONDS });
      }).replace('version: 1.0.0', 'version: 1.2.0'),
      'slow',
      '--no-installer',
    );
  } finally {
    await Promise.all([registry.stop(), hub.stop()]);
  }
  gap = await airGap({ ownRun: true });
  engine = isolatedEngine(at('e'), { through: gap.enter });
  mkdirSync(at('site'), { mode: 0o700 });
  setKey(KEY);
  writeFileSync(
    at('site/site.yaml'),
    `apiVersion: stowage/v1\nname: hq\nsecrets: { gpt-oss: { api-key: { file: ${at('key')} } } }\n`,
  );
});

afterAll(async () => {
  await engine?.destroy();
  await gap?.destroy();
  rmSync(work, { recursive: true, force: true });
});

function setKey(key: string): void {
  writeFileSync(at('key'), `${key}\n`, { mode: 0o600 });
}

const site = (...args: readonly string[]): Promise<Ran> =>
  stowage(
    {
      ...{ cwd: work, through: gap.enter },
      env: { ...engine.env, STOWAGE_SITE: at('site') },
    },
    ...args,
  );

const install = (bundle: string): Promise<Ran> =>
  site('install', bundle, '--trust', side.root, '--fingerprint', side.fingerprint);

/** The status of the answer to a prompt that a client sends with this key. */
async function statusWith(key: string | undefined): Promise<string> {
  const header = key === undefined ? [] : ['--header', `Authorization: Bearer ${key}`];
  const args = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--json', '{"prompt":"hello"}'];
  const url = `http://127.0.0.1:${PORT}/v1/completions`;
  return (await gap.run('curl', [...args, ...header, url])).stdout;
}

describe('when llama-server requires the API key of its site', () => {
  it('is installed, and answers the prompt of the worked manifest', async () => {
    const { status, stderr, json } = await install(worked);
    expect(status, stderr).toBe(0);
    expect(json.receipt.gates).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ check: 'acceptance', found: '401 without the API key' }),
        expect.objectContaining({
          check: 'acceptance',
          found: expect.stringMatching(/^from model gpt-oss-20b, \d+ tokens?: " ?Paris"$/),
        }),
      ]),
    );
    expect([await statusWith(undefined), await statusWith('other'), await statusWith(KEY)]).toEqual(
      [...['401', '401', '200']],
    );
  });

  it('shows no key in arguments, environment, labels, log, site folder or output', async () => {
    const { stdout, stderr } = await site('status');
    const unit = (await engine.podman('ps', '--format', '{{.Names}}')).trim();
    const inspected = await engine.podman('container', 'inspect', unit);
    const log = await engine.podman('logs', unit);
    const command = await gap.run('sh', ['-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "']);
    for (const text of [stdout, stderr, inspected, log, command.stdout])
      expect(text.includes(KEY)).toBe(false);
    const files = await program('sh', [
      '-c',
      `! grep --recursive --files-with-matches ${KEY} "$0"`,
      at('site'),
    ]);
    expect(files).toBe('');
  });

  it('is restored by a rollback with the key that it had, although the site has another', async () => {
    setKey(NEXT_KEY);
    const status = await site('status');
    expect(status.json.services[0].readiness).toMatchObject({ ready: true });
    const changed = await site('install', 'gpt-oss');
    expect(changed.status, changed.stderr).toBe(0);
    expect([await statusWith(KEY), await statusWith(NEXT_KEY)]).toEqual(['401', '200']);
    const back = await site('rollback');
    expect(back.status, back.stderr).toBe(0);
    expect([await statusWith(KEY), await statusWith(NEXT_KEY)]).toEqual(['200', '401']);
    expect(back.stdout + back.stderr).not.toContain(KEY);
  });

  it('fails the gate if the server does not require it, and the previous version is restored', async () => {
    const { status, json } = await install(keyless);
    expect([status, json.error.code]).toEqual([3, 'rolled-back']);
    expect(json.error.found).toContain('the server does not require it');
    expect(await statusWith(undefined)).toBe('401');
  });
});

describe('when the live state of llama-server is shown', () => {
  it('gives its context, slots, cache, rates, memory and processors, with the key', async () => {
    const ask = gap.run('curl', [
      ...['-s', '--header', `Authorization: Bearer ${KEY}`],
      ...['--json', '{"prompt":"hello","max_tokens":200,"ignore_eos":true}'],
      `http://127.0.0.1:${PORT}/v1/completions`,
    ]);
    const { status, json, stderr } = await site('status', '--live');
    await ask;
    expect(status, stderr).toBe(0);
    expect(json).toMatchObject({ site: 'hq', services: [{ release: 'gpt-oss', phase: 'ready' }] });
    const [live] = json.services;
    expect(live.models).toEqual([{ id: 'gpt-oss-20b', context: 512 }]);
    expect(live).toMatchObject({ waiting: 0, concurrency: expect.any(Number), detail: '' });
    for (const figure of ['cacheUse', 'cacheTokens', 'generatedTokens', 'memoryBytes', 'cpus'])
      expect([figure, typeof live[figure]]).toEqual([figure, 'number']);
    expect(live.memoryBytes).toBeGreaterThan(1_000_000);
  });
});

describe('when llama-server answers the same 503 for longer than it may load without progress', () => {
  it('is waited for, because its processor time counts as progress', async () => {
    const { status, stderr, json } = await install(slow);
    expect(status, stderr).toBe(0);
    const ready = json.receipt.gates.find((gate: { check: string }) => gate.check === 'readiness');
    expect(ready.found).toMatch(/^\/health: ready after /);
    expect(ready.milliseconds).toBeGreaterThan(SILENT_SECONDS * 1000);
  });

  it('writes a log that is shown without the time stamps of the engine', async () => {
    const { lines } = (await site('logs', 'gpt-oss')).json;
    // Each begins with the clock of llama-server, although it writes a line in pieces.
    const own = lines.filter((line: string) => /^\d+\.\d\d\.\d{3}\.\d{3} [A-Z] /.test(line));
    expect(own.join('\n')).toMatch(/ llama_server: listening on http:\/\/0\.0\.0\.0:8080$/m);
    // What does not go through its log: of a variable, and of processors that have the instructions but may not use them.
    const plain = /^(?:warn: LLAMA_ARG_HOST |AMX is not ready to be used!$)/;
    expect(lines.filter((line: string) => !plain.test(line))).toEqual(own);
    for (const line of lines) {
      expect(line).not.toMatch(/\d{4}-\d\d-\d\dT\d\d:/);
      expect(line.slice(1)).not.toMatch(/\d\.\d\d\.\d{3}\.\d{3} /);
    }
  });
});

describe('when everything is removed after installs, a failed one, a rollback and an upgrade', () => {
  it('names what the failed release needs, and leaves neither blobs nor anything in the engine', async () => {
    const { json } = await site('status');
    expect(json.imported).toMatchObject([{ version: '1.0.0' }, { version: '1.1.0' }]);
    const removed = await site('uninstall', 'gpt-oss');
    expect(removed.status, removed.stderr).toBe(0);
    for (const version of ['1.0.0', '1.1.0', '1.2.0'])
      expect((await site('forget', `gpt-oss@${version}`)).status).toBe(0);
    const freed = await site('gc', '--keep', '0');
    expect(freed.status, freed.stderr).toBe(0);
    const left = await program('find', [at('site/store'), '-type', 'f', '-size', '+64k']);
    expect(left).toBe('');
    const lists = [
      ['ps', '--all', '--quiet'],
      ['images', '--all', '--quiet'],
      ['volume', 'ls', '--quiet'],
      ['secret', 'ls', '--quiet'],
      ['network', 'ls', '--quiet', '--filter', 'label=stowage.site'],
    ];
    for (const list of lists)
      expect([list[0], await engine.podman(...list)]).toEqual([list[0], '']);
  });
});
