import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { tinyImage } from '../lab/tiny-image.ts';
import { startTokenService, type TokenService } from '../lab/token-service.ts';
import { type Ran, stowage } from './cli.ts';

const hubToken = 'hf_Q7tokenThatNobodyMaySee0123456789abcdef';
const password = 'pass-word-that-nobody-may-see-4711';
const refreshToken = 'refresh-token-that-nobody-may-see-0815';
let dir: string;
let hub: Hub;
let tokens: TokenService;
let registry: Registry;
const said: string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'stowage-secrets-'));
  writeLargeModel(join(dir, 'model/model.safetensors'), 20 * 1024 * 1024);
  writeFileSync(join(dir, 'model/config.json'), '{}');
  const revisions = { main: join(dir, 'model') };
  hub = await startHub({
    repos: [
      { name: 'acme/gated', revisions, gated: 'manual', license: 'apache-2.0' },
      { name: 'acme/closed', revisions, gated: 'auto' },
    ],
    tokens: { [hubToken]: ['acme/gated'] },
    redirect: true,
    fault: ({ headers, url }) =>
      url.includes('broken') ? { status: 500, body: `no: ${headers.authorization}` } : undefined,
  });
  tokens = await startTokenService(dir, { username: '$oauthtoken', password, refreshToken });
  registry = await startRegistry(join(dir, 'registry'), { token: tokens });
  const image = await tinyImage(join(dir, 'image'));
  await pushLayout(image.layout, image.tag, `${registry.host}/team/app:1`, {
    credentials: { username: '$oauthtoken', password },
  });
});

afterAll(async () => {
  await Promise.all([hub?.stop(), registry?.stop(), tokens?.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

interface Case {
  readonly model?: string;
  readonly auth?: object;
}

async function runs(
  name: string,
  { model = 'acme/gated', auth }: Case,
  ...commands: string[]
): Promise<Ran[]> {
  const cwd = join(dir, 'runs', name);
  mkdirSync(cwd, { recursive: true });
  const manifest = {
    ...{ apiVersion: 'stowage/v1', name: 'secret', version: '1.0.0' },
    models: [{ name: 'gated', source: `hf://${model}@main` }],
    images: [{ name: 'app', source: `${registry.host}/team/app:1` }],
  };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  const authFile = join(dir, `${name}.auth.json`);
  writeFileSync(authFile, JSON.stringify({ auths: { [registry.host]: auth ?? {} } }));
  const env = {
    ...{ HF_ENDPOINT: hub.url, HF_TOKEN: hubToken, REGISTRY_AUTH_FILE: authFile },
    STOWAGE_STORE: join(cwd, 'store'),
  };
  const done: Ran[] = [];
  for (const command of commands) {
    const extra = command === 'pack' ? ['--no-installer'] : [];
    const ran = await stowage({ cwd, env }, command, ...extra);
    said.push(ran.stdout, ran.stderr);
    done.push(ran);
  }
  return done;
}

const basic = { auth: Buffer.from(`$oauthtoken:${password}`).toString('base64') };

function secrets(): string[] {
  const texts = [hubToken, password, refreshToken, ...tokens.issued];
  return texts.flatMap((each) => [
    each,
    Buffer.from(each).toString('base64').replace(/=+$/, ''),
    encodeURIComponent(each),
  ]);
}

describe('when content is downloaded with tokens', () => {
  it.each([
    ['a user and a password, as NGC has them', basic],
    ['an identity token', { identitytoken: refreshToken }],
  ])('locks and packs with %s', async (name, auth) => {
    for (const { status, stderr } of await runs(name.slice(0, 8), { auth }, 'lock', 'pack')) {
      expect(status, stderr).toBe(0);
    }
  });

  it.each<[string, Case, string]>([
    ['a gate that is closed', { model: 'acme/closed', auth: basic }, 'source-gated'],
    ['a repository that fails', { model: 'acme/broken', auth: basic }, 'source-unreachable'],
    [
      'a wrong password',
      { auth: { auth: Buffer.from(`lab:${password}`).toString('base64') } },
      'source-denied',
    ],
    ['a wrong identity token', { auth: { identitytoken: `${refreshToken}x` } }, 'source-denied'],
  ])('fails at %s', async (name, about, code) => {
    const [ran] = await runs(name.replaceAll(' ', '-'), about, 'lock');
    expect(ran?.json.error.code, ran?.stderr).toBe(code);
    if (code === 'source-gated') expect(ran?.json.error.hint).toContain(`${hub.url}/acme/closed`);
  });

  it('they appear in no output and no file', () => {
    expect(tokens.issued.length).toBeGreaterThan(2);
    const folder = join(dir, 'runs');
    const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map((each) => join(each.parentPath, each.name));
    expect(paths.some((path) => path.endsWith('SHA512SUMS'))).toBe(true);
    const written = [
      ...paths.map((path) => readFileSync(path)),
      ...said.map((text) => Buffer.from(text)),
    ];
    for (const secret of secrets()) {
      expect(written.some((bytes) => bytes.includes(secret))).toBe(false);
    }
  });
});
