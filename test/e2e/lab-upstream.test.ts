import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runWithoutNetwork } from '../lab/airgap.ts';
import { type Fault, type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { run } from '../lab/process.ts';
import { pushLayout, startRegistry } from '../lab/registry.ts';
import { tinyImage } from '../lab/tiny-image.ts';

const SIZE = 1_000_000;
let dir: string;
let hub: Hub;
let fault: Fault | undefined;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lab-'));
  writeLargeModel(join(dir, 'model/weights/model.safetensors'), SIZE);
  writeFileSync(join(dir, 'model/config.json'), '{}');
  const revisions = { main: join(dir, 'model') };
  hub = await startHub({
    repos: [
      { name: 'acme/open', revisions, license: 'apache-2.0' },
      { name: 'acme/gated', revisions, gated: 'manual' },
      { name: 'acme/private', revisions, private: true },
    ],
    tokens: { hf_member: ['acme/gated', 'acme/private'], hf_stranger: [] },
    pageSize: 1,
    redirect: true,
    fault: (request) => (request.origin === 'storage' ? fault : undefined),
  });
});

afterAll(async () => {
  await hub?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const weights = 'resolve/main/weights/model.safetensors';

async function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${hub.url}/${path}`, { headers });
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('when a Hub is asked for files', () => {
  it('sends the requested range', async () => {
    const whole = readFileSync(join(dir, 'model/weights/model.safetensors'));
    const response = await ask(`acme/open/${weights}`, { range: 'bytes=999000-' });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes 999000-999999/${SIZE}`);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(whole.subarray(999_000));
    expect((await ask(`acme/open/${weights}`, { range: `bytes=${SIZE}-` })).status).toBe(416);
  });

  it.each([
    ['nobody/nothing', undefined, 401, 'RepoNotFound'],
    ['nobody/nothing', 'hf_member', 404, 'RepoNotFound'],
    ['acme/private', 'hf_stranger', 404, 'RepoNotFound'],
    ['acme/private', 'hf_member', 200, null],
    ['acme/gated', undefined, 401, 'GatedRepo'],
    ['acme/gated', 'hf_stranger', 403, 'GatedRepo'],
    ['acme/gated', 'hf_member', 200, null],
    ['acme/open', 'hf_forged', 401, null],
  ])('%s with token %s: %i %s', async (repo, token, status, code) => {
    const headers = token === undefined ? {} : bearer(token);
    const response = await ask(`${repo}/resolve/main/config.json`, headers);
    expect(response.status).toBe(status);
    expect(response.headers.get('x-error-code')).toBe(code);
  });

  it('lists a tree in pages', async () => {
    const paths: string[] = [];
    let next: string | undefined = `${hub.url}/api/models/acme/open/tree/main?recursive=true`;
    while (next !== undefined) {
      const response: Response = await fetch(next);
      paths.push(...((await response.json()) as { path: string }[]).map((entry) => entry.path));
      next = /<(.*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
    }
    expect(paths).toEqual(['weights', 'config.json', 'weights/model.safetensors']);
  });

  it('truncates and corrupts as configured', async () => {
    fault = { kind: 'cut', afterBytes: 300_000 };
    await expect((await ask(`acme/open/${weights}`)).arrayBuffer()).rejects.toThrow();
    fault = { kind: 'flip', offset: 700_000 };
    const spoiled = Buffer.from(await (await ask(`acme/open/${weights}`)).arrayBuffer());
    fault = undefined;
    const whole = readFileSync(join(dir, 'model/weights/model.safetensors'));
    expect(spoiled).toHaveLength(SIZE);
    expect([...whole.keys()].filter((at) => whole[at] !== spoiled[at])).toEqual([700_000]);
  });
});

describe('when a registry requires TLS and a password', () => {
  it('accepts an index unchanged from an authenticated user', async () => {
    const [certificate, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-days', '1'];
    const files = ['-keyout', key, '-out', certificate];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject]);
    const credentials = { username: 'lab', password: 'open sesame' };
    const registry = await startRegistry(join(dir, 'registry'), {
      tls: { certificate, key },
      htpasswd: credentials,
    });
    try {
      const image = await tinyImage(join(dir, 'image'));
      const reference = `${registry.host}/lab/tiny:1.0`;
      await expect(pushLayout(image.layout, image.tag, reference)).rejects.toThrow(
        'authentication',
      );
      const digest = await pushLayout(image.layout, image.tag, reference, { credentials });
      expect(digest).toBe(image.digest);
    } finally {
      await registry.stop();
    }
  });
});

describe('when a large model is generated', () => {
  it.each(['large.gguf', 'large.safetensors'])('%s has the size asked for', (name) => {
    const path = join(dir, name);
    const bytes = 9 * 1024 * 1024 + 64;
    writeLargeModel(path, bytes);
    expect(statSync(path).size).toBe(bytes);
    writeLargeModel(path, bytes, { sparse: true });
    expect(statSync(path)).toMatchObject({ size: bytes });
  });
});

describe('when a command runs without a network', () => {
  it('sees loopback and nothing else', async () => {
    const { stdout } = await runWithoutNetwork('ip', ['-brief', 'link']);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stdout).toMatch(/^lo .*UP/);
  });
});
