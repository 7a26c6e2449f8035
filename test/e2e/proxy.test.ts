import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { commitTo, type GitServer, startGitServer } from '../lab/git-server.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { type Proxy as LabProxy, startProxy } from '../lab/proxy.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { tinyImage } from '../lab/tiny-image.ts';
import { type Ran, stowage } from './cli.ts';

// A release engineer's network: public names do not resolve, and all requests use a proxy that requires a password. The
// hosts behind it use TLS with certificates of the organization's CA.
const password = 'pr%oxy-7f3a';
const account = `engineer:${password}`;
let dir: string;
let hub: Hub;
let git: GitServer;
let registry: Registry;
let plain: Registry;
let proxy: LabProxy;
const fronts: Server[] = [];

/** A TLS proxy in front of a plain HTTP server. @returns its port */
async function front(port: number): Promise<number> {
  const pem = (name: string): Buffer => readFileSync(join(dir, name));
  const server = createServer({ key: pem('key.pem'), cert: pem('ca.pem') }, (client) => {
    const far = connect(port, '127.0.0.1');
    client.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => client.destroy()).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  fronts.push(server);
  return (server.address() as AddressInfo).port;
}

const portOf = (host: string): number => Number(host.split(':').at(-1));

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'stowage-proxy-'));
  const names = ['hub', 'registry', 'git'].map((each) => `DNS:${each}.example`).join(',');
  execFileSync(
    'openssl',
    [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab'.split(
        ' ',
      ),
      ...['-addext', `subjectAltName=${names}`],
      ...['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'ca.pem')],
    ],
    { stdio: 'ignore' },
  );
  mkdirSync(join(dir, 'model'));
  writeFileSync(join(dir, 'model/config.json'), '{"model_type":"llama"}');
  writeFileSync(join(dir, 'model/README.md'), '---\nlicense: mit\n---\n');
  hub = await startHub({ repos: [{ name: 'acme/tiny', revisions: { main: join(dir, 'model') } }] });
  mkdirSync(join(dir, 'git'));
  git = await startGitServer(join(dir, 'git'));
  commitTo(join(dir, 'git'), 'settings', { 'a.json': '{}' });
  registry = await startRegistry(join(dir, 'registry'));
  plain = await startRegistry(join(dir, 'plain'));
  const image = await tinyImage(join(dir, 'image'));
  for (const { host } of [registry, plain])
    await pushLayout(image.layout, image.tag, `${host}/team/app:1.0`);
  proxy = await startProxy({
    account,
    hosts: {
      'hub.example:443': await front(Number(new URL(hub.url).port)),
      'git.example:443': await front(portOf(git.host)),
      'registry.example:443': await front(portOf(registry.host)),
      'plain.example:5000': portOf(plain.host),
    },
  });
});

beforeEach(() => {
  proxy.seen.length = 0;
});

afterAll(async () => {
  for (const server of fronts) server.close();
  await Promise.all([hub, git, registry, plain, proxy].map((each) => each?.stop()));
  rmSync(dir, { recursive: true, force: true });
});

interface Sources {
  readonly models?: readonly object[];
  readonly images?: readonly object[];
  readonly files?: readonly object[];
}

const everything: Sources = {
  models: [{ name: 'tiny', source: 'hf://acme/tiny@main' }],
  images: [
    { name: 'far', source: 'registry.example/team/app:1.0' },
    { name: 'plain', source: 'plain.example:5000/team/app:1.0' },
  ],
  files: [{ name: 'settings', source: 'git+https://git.example/settings.git@main' }],
};

function folderFor(name: string, sources: Sources): string {
  const cwd = join(dir, name);
  mkdirSync(cwd);
  const manifest = { apiVersion: 'stowage/v1', name, version: '1.0.0', ...sources };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  return cwd;
}

async function run(cwd: string, env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Ran> {
  const base = { HF_ENDPOINT: 'https://hub.example', STOWAGE_STORE: join(cwd, 'store') };
  const sources = ['--ca-file', join(dir, 'ca.pem'), '--insecure-registry', 'plain.example:5000'];
  return stowage({ cwd, env: { ...base, ...env } }, ...args, ...sources);
}

const signedIn = (): NodeJS.ProcessEnv => {
  const url = `http://engineer:${encodeURIComponent(password)}@${proxy.host}`;
  return { HTTPS_PROXY: url, HTTP_PROXY: url };
};
const targets = (): string[] =>
  [...new Set(proxy.seen.map(({ method, target }) => `${method} ${target}`))].sort();

describe('when all requests use a proxy', () => {
  it('locks and packs from Hub, registries and git, and reveals the password to no one', async () => {
    const cwd = folderFor('everything', everything);
    const locked = await run(cwd, signedIn(), 'lock');
    expect(locked.status, locked.stderr).toBe(0);
    const packed = await run(cwd, signedIn(), 'pack', '--no-installer');
    expect(packed.status, packed.stderr).toBe(0);
    const seen = targets();
    for (const host of ['hub', 'git', 'registry'])
      expect(seen).toContain(`CONNECT ${host}.example:443`);
    expect(seen.filter((each) => each.startsWith('GET http://plain.example:5000/v2/'))).not.toEqual(
      [],
    );
    const said = [locked, packed].map(({ stdout, stderr }) => stdout + stderr).join('');
    const search = ['-rlaF', '-e', 'oxy-7f3a', cwd];
    const written = spawnSync('grep', search, { encoding: 'utf8' });
    expect(said).not.toContain('oxy-7f3a');
    expect(written).toMatchObject({ status: 1, stdout: '' });
  });

  it('does not use it for a local registry', async () => {
    const images = [{ name: 'near', source: `${plain.host}/team/app:1.0` }];
    const cwd = folderFor('near', { images });
    const locked = await run(cwd, signedIn(), 'lock');
    expect(locked.status, locked.stderr).toBe(0);
    expect(targets()).toEqual([]);
  });

  it('does not use it for hosts in NO_PROXY', async () => {
    const { images = [] } = everything;
    const cwd = folderFor('no-proxy', { images: images.slice(0, 1) });
    const { status, stdout } = await run(cwd, { ...signedIn(), NO_PROXY: '.example' }, 'lock');
    expect(status).toBe(1);
    expect(stdout).toContain('source-unreachable');
    expect(stdout).toContain('no address for the name registry.example');
    expect(targets()).toEqual([]);
  });

  it.each<[keyof Sources, string]>([
    ['models', 'CONNECT hub.example:443'],
    ['images', 'CONNECT registry.example:443'],
    ['files', 'CONNECT git.example:443'],
  ])('reports that the proxy requires authentication: %s', async (kind, asked) => {
    const cwd = folderFor(`denied-${kind}`, { [kind]: everything[kind]?.slice(0, 1) });
    const wrong = `http://engineer:wrong-7f3a@${proxy.host}`;
    const { status, json, stdout, stderr } = await run(cwd, { ALL_PROXY: wrong }, 'lock');
    expect(status).toBe(1);
    expect(json.error).toMatchObject({
      code: 'source-denied',
      hint: expect.stringMatching(/proxy/i),
    });
    expect(json.error.found).toContain('407');
    expect(stdout + stderr).not.toContain('wrong-7f3a');
    expect(targets()).toEqual([asked]);
  });
});
