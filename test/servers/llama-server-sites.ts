import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Ran } from '../e2e/cli.ts';
import { type ConnectedSide, connectedSide } from '../e2e/connected.ts';
import type { AirGap } from '../lab/airgap.ts';
import { startHub } from '../lab/hub.ts';
import { llamaServerImage } from '../lab/llama-server-image.ts';
import { run as program } from '../lab/process.ts';
import { pushLayout, startRegistry } from '../lab/registry.ts';
import { writeTinyModel } from '../lab/tiny-model.ts';
import { skipBecause } from '../support/skip-because.ts';

const PORT = 18_190;
const KEY = 'sk-site-one-4711';
/** Processors with which llama-server takes longer to load than it may be without progress. */
const SLOW_CPUS = 0.01;
const SILENT_SECONDS = 2;
const NEXT_KEY = 'sk-site-two-0815';

/** An engine that runs the real llama-server, and a site of it. */
export interface LlamaServerBench {
  /** An empty folder that the user of the site may enter. */
  readonly place: string;
  readonly target: 'podman' | 'docker';
  /** `host` where the user may not connect a container to a network of its own. */
  readonly network: 'bridge' | 'host';
  /** Why no container can be given a share of the processors; absent where one can. */
  readonly unlimited?: string;
  /** The network in which the services are reached. */
  readonly gap: Pick<AirGap, 'run'>;
  /** Makes a file or a folder one of the user of the site. */
  give?(path: string): Promise<void>;
  /** Runs `podman` or `docker`, and gives its standard output. */
  engine(...args: readonly string[]): Promise<string>;
  /** Runs `stowage` for the site in a folder. */
  site(folder: string, args: readonly string[]): Promise<Ran>;
}

interface Releases {
  readonly worked: string;
  /** Without an API key. */
  readonly keyless: string;
  /** With next to no processor. */
  readonly slow: string;
}

type Service = Record<string, unknown> & { args: string[] };

/** What the worked manifest for llama-server shows with a tiny model and without a GPU, whatever runs it. */
export function everyLlamaServerSite(given: () => LlamaServerBench): void {
  let bench: LlamaServerBench;
  let side: ConnectedSide;
  let releases: Releases;
  let root: string;
  const at = (...names: readonly string[]): string => join(bench.place, ...names);

  beforeAll(async () => {
    bench = given();
    ({ side, releases } = await made(bench));
    mkdirSync(at('site'), { mode: 0o700 });
    await setKey(KEY);
    writeFileSync(
      at('site/site.yaml'),
      `apiVersion: stowage/v1\nname: hq\ntarget: ${bench.target}\nsecrets: { gpt-oss: { api-key: { file: ${at('key')} } } }\n`,
    );
    await bench.give?.(at('site'));
    // In a folder beside the keys, which only who made them may enter.
    root = at('root.pem');
    copyFileSync(side.root, root);
    await bench.give?.(root);
  });

  async function setKey(key: string): Promise<void> {
    writeFileSync(at('key'), `${key}\n`, { mode: 0o600 });
    await bench.give?.(at('key'));
  }

  const site = (...args: readonly string[]): Promise<Ran> => bench.site(at('site'), args);

  const install = (bundle: string): Promise<Ran> =>
    site('install', bundle, '--trust', root, '--fingerprint', side.fingerprint);

  /** The status of the answer to a prompt that a client sends with this key. */
  async function statusWith(key: string | undefined): Promise<string> {
    const header = key === undefined ? [] : ['--header', `Authorization: Bearer ${key}`];
    const args = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--json', '{"prompt":"hello"}'];
    const url = `http://127.0.0.1:${PORT}/v1/completions`;
    return (await bench.gap.run('curl', [...args, ...header, url])).stdout;
  }

  describe('when llama-server requires the API key of its site', () => {
    it('is installed, and answers the prompt of the worked manifest', async () => {
      const { status, stderr, json } = await install(releases.worked);
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
      expect([
        await statusWith(undefined),
        await statusWith('other'),
        await statusWith(KEY),
      ]).toEqual([...['401', '401', '200']]);
    });

    it('shows no key in arguments, environment, labels, log, site folder or output', async () => {
      const { stdout, stderr } = await site('status');
      const unit = (await bench.engine('ps', '--format', '{{.Names}}')).trim();
      const inspected = await bench.engine('container', 'inspect', unit);
      const log = await bench.engine('logs', unit);
      const command = await bench.gap.run('sh', ['-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "']);
      for (const text of [stdout, stderr, inspected, log, command.stdout])
        expect(text.includes(KEY)).toBe(false);
      // Docker has no secrets of its own: the site has them, in a folder that only its user may enter.
      const isDocker = bench.target === 'docker';
      const passed = isDocker ? ['--exclude-dir=secrets'] : [];
      const files = await program('sh', [
        '-c',
        `! grep --recursive --files-with-matches "$@"`,
        ...['grep', ...passed, KEY, at('site')],
      ]);
      expect(files).toBe('');
      if (isDocker) expect(statSync(at('site/secrets')).mode & 0o777).toBe(0o700);
    });

    it('is restored by a rollback with the key that it had, although the site has another', async () => {
      await setKey(NEXT_KEY);
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
      const { status, json } = await install(releases.keyless);
      expect([status, json.error.code]).toEqual([3, 'rolled-back']);
      expect(json.error.found).toContain('the server does not require it');
      expect(await statusWith(undefined)).toBe('401');
    });
  });

  describe('when the live state of llama-server is shown', () => {
    it('gives its context, slots, cache, rates, memory and processors, with the key', async () => {
      const ask = bench.gap.run('curl', [
        ...['-s', '--header', `Authorization: Bearer ${KEY}`],
        ...['--json', '{"prompt":"hello","max_tokens":200,"ignore_eos":true}'],
        `http://127.0.0.1:${PORT}/v1/completions`,
      ]);
      const { status, json, stderr } = await site('status', '--live');
      await ask;
      expect(status, stderr).toBe(0);
      expect(json).toMatchObject({
        site: 'hq',
        services: [{ release: 'gpt-oss', phase: 'ready' }],
      });
      const [live] = json.services;
      expect(live.models).toEqual([{ id: 'gpt-oss-20b', context: 512 }]);
      expect(live).toMatchObject({ waiting: 0, concurrency: expect.any(Number), detail: '' });
      const ofContainer = bench.unlimited === undefined ? ['memoryBytes', 'cpus'] : [];
      for (const figure of ['cacheUse', 'cacheTokens', 'generatedTokens', ...ofContainer])
        expect([figure, typeof live[figure]]).toEqual([figure, 'number']);
      if (bench.unlimited === undefined) expect(live.memoryBytes).toBeGreaterThan(1_000_000);
      else expect(live.useUnknown).toMatch(/control groups of their own/);
    });
  });

  describe('when llama-server answers the same 503 for longer than it may load without progress', () => {
    it('is waited for, because its processor time counts as progress', async (test) => {
      const { status, stderr, json } = await install(releases.slow);
      expect(status, stderr).toBe(0);
      if (bench.unlimited !== undefined) skipBecause(test, bench.unlimited);
      const ready = json.receipt.gates.find(
        (gate: { check: string }) => gate.check === 'readiness',
      );
      expect(ready.found).toMatch(/^\/health: ready after /);
      expect(ready.milliseconds).toBeGreaterThan(SILENT_SECONDS * 1000);
    });

    it('writes a log that is shown without the time stamps of the engine', async () => {
      const { lines } = (await site('logs', 'gpt-oss')).json;
      // Each begins with the clock of llama-server, although it writes a line in pieces.
      const own = lines.filter((line: string) => /^\d+\.\d\d\.\d{3}\.\d{3} [A-Z] /.test(line));
      const port = bench.network === 'host' ? PORT : 8080;
      expect(own.join('\n')).toContain(` llama_server: listening on http://0.0.0.0:${port}\n`);
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
        expect((await site('forget', `gpt-oss@${version}`, '--yes')).status).toBe(0);
      const freed = await site('gc', '--keep', '0');
      expect(freed.status, freed.stderr).toBe(0);
      const left = await program('find', [at('site/store'), '-type', 'f', '-size', '+64k']);
      expect(left).toBe('');
      const lists = [
        ['ps', '--all', '--quiet'],
        ['images', '--all', '--quiet'],
        ['volume', 'ls', '--quiet'],
        ...(bench.target === 'podman' ? [['secret', 'ls', '--quiet']] : []),
        ['network', 'ls', '--quiet', '--filter', 'label=stowage.site'],
      ];
      for (const list of lists)
        expect([list[0], await bench.engine(...list)]).toEqual([list[0], '']);
    });
  });
}

/** The releases, for this engine. */
async function made(
  bench: LlamaServerBench,
): Promise<{ readonly side: ConnectedSide; readonly releases: Releases }> {
  const at = (...names: readonly string[]): string => join(bench.place, ...names);
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
    const side = await connectedSide(at('connected'), { hub });
    const release = async (
      name: keyof Releases,
      version: string,
      change: (service: Service) => void,
    ): Promise<string> => {
      const manifest = labManifest(registry.host, bench, change);
      const text = manifest.replace('version: 1.0.0', `version: ${version}`);
      const folder = await side.release(text, name, '--no-installer');
      await bench.give?.(folder);
      return folder;
    };
    const worked = await release('worked', '1.0.0', () => {});
    const keyless = await release('keyless', '1.1.0', ({ args }) => {
      args.splice(args.indexOf('--api-key-file'), 2);
    });
    const slow = await release('slow', '1.2.0', (service) => {
      if (bench.unlimited === undefined) service['cpus'] = SLOW_CPUS;
      Object.assign(service['health'] as object, { startupSeconds: SILENT_SECONDS });
    });
    return { side, releases: { worked, keyless, slow } };
  } finally {
    await Promise.all([registry.stop(), hub.stop()]);
  }
}

/** The worked manifest with what the lab has in place of 14 GB and a GPU. */
function labManifest(
  registry: string,
  { network }: LlamaServerBench,
  change: (service: Service) => void,
): string {
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
  if (network === 'host') {
    service.network = network;
    service.args[service.args.indexOf('--port') + 1] = `${PORT}`;
    service.ports = [{ name: 'http', container: PORT, host: PORT }];
    delete manifest.parameters.port;
  }
  change(service);
  return stringify(manifest);
}
