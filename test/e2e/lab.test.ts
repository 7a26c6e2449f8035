import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AirGap, airGap, assertNoWayOut } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { until } from '../lab/process.ts';
import { freePort } from '../lab/registry.ts';
import { answers, startUpstream, type Upstream } from '../lab/upstream.ts';

let dir: string;
let upstream: Upstream;
let engine: Engine;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lab-'));
  upstream = await startUpstream(join(dir, 'up'));
  engine = isolatedEngine(join(dir, 'engine'));
  await engine.podman('pull', '--quiet', '--tls-verify=false', imageByDigest());
});

afterAll(async () => {
  await engine?.destroy();
  await upstream?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const hardening = [
  '--read-only',
  '--cap-drop=all',
  '--security-opt=no-new-privileges',
  '--user=10001:10001',
];

function imageByDigest(): string {
  return `${upstream.registry.host}/demo/llama-server@${upstream.image.digest}`;
}

async function fetchModel(revision: 'v1' | 'v2'): Promise<string> {
  const response = await fetch(`${upstream.hub.url}/demo/tiny-gguf/resolve/${revision}/tiny.gguf`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const hash = createHash('sha256').update(bytes).digest('hex');
  expect(response.headers.get('etag')).toBe(`"${hash}"`);
  const path = join(dir, `${revision}.gguf`);
  writeFileSync(path, bytes);
  return path;
}

async function startServer(
  on: Engine,
  model: string,
  network: readonly string[],
  { address, port }: { readonly address: string; readonly port: number },
): Promise<void> {
  await on.podman(
    ...['run', '--detach', '--name=llm', ...hardening, ...network],
    `--volume=${model}:/models/tiny.gguf:ro`,
    imageByDigest(),
    ...['--model', '/models/tiny.gguf', '--alias', 'tiny', '--ctx-size', '512', '--offline'],
    ...['--threads', '1', '--host', address, '--port', String(port)],
  );
}

/** Sends a request from this network, or from an isolated one. */
type Ask = (url: string, body?: string) => Promise<{ status: number; body: string } | undefined>;

const askHere: Ask = async (url, body) => {
  const init = body === undefined ? {} : { method: 'POST', body };
  const response = await fetch(url, init).catch(() => undefined);
  return response && { status: response.status, body: await response.text() };
};

const askBehind =
  (gap: AirGap): Ask =>
  async (url, body) => {
    const script = `fetch(process.argv[1], process.argv[2] ? { method: 'POST', body: process.argv[2] } : {})
      .then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })))`;
    const { status, stdout } = await gap.run(process.execPath, ['--eval', script, url, body ?? '']);
    return status === 0 ? JSON.parse(stdout) : undefined;
  };

async function answerOf(ask: Ask, port: number): Promise<string> {
  const url = `http://127.0.0.1:${port}`;
  await until('a healthy server', 30, async () =>
    (await ask(`${url}/health`))?.status === 200 ? true : undefined,
  );
  const reply = await ask(`${url}/v1/completions`, JSON.stringify({ prompt: 'hello' }));
  return JSON.parse(reply?.body ?? '').choices[0].text;
}

describe('when there is a network', () => {
  it('serves a model that gives the expected answer', async () => {
    const port = await freePort();
    const at = { address: '127.0.0.1', port };
    await startServer(engine, await fetchModel('v1'), ['--network=host'], at);
    expect(await answerOf(askHere, port)).toBe(answers.v1);
    await engine.podman('rm', '--force', '--time=5', 'llm');
  });
});

describe('when there is no network', () => {
  it('answers on a published port in isolation, and nothing can connect to the outside', async () => {
    const gap = await airGap();
    const gapped = isolatedEngine(join(dir, 'engine'), { through: gap.enter });
    try {
      const at = { address: '0.0.0.0', port: 8080 };
      await startServer(gapped, await fetchModel('v2'), ['--publish=127.0.0.1:8000:8080'], at);
      expect(await answerOf(askBehind(gap), 8000)).toBe(answers.v2);
      expect(await assertNoWayOut(gap.enter)).toMatchObject({ connect: 'ENETUNREACH' });
      expect(await askBehind(gap)(`${upstream.hub.url}/api/models/demo/tiny-gguf`)).toBeUndefined();
    } finally {
      await gapped.podman('rm', '--force', '--ignore', '--time=5', 'llm');
      await gap.destroy();
    }
  });
});

describe('when the engine is destroyed', () => {
  it('leaves nothing behind', async () => {
    await engine.destroy();
    expect(existsSync(join(dir, 'engine'))).toBe(false);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(dir);
  });
});
