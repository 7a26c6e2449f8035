import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capture, run } from '../lab/process.ts';
import { type Registry, startRegistry } from '../lab/registry.ts';
import { skopeo } from '../lab/skopeo.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { stagedSite } from '../support/staged-site.ts';
import { node, program, stowage } from './depot-process.ts';

const CREDENTIALS = { username: 'ana', password: 'a long password' };
const scratch = scratchFolder();
const site = scratch.fresh('site');
let bundle: SmallBundle;
let registry: Registry;

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

interface Result {
  readonly repositories: readonly {
    readonly repository: string;
    readonly tags: readonly string[];
    readonly uploaded: number;
    readonly mounted: number;
    readonly present: number;
  }[];
}

const push = async (host: string, ...args: readonly string[]): Promise<Result> =>
  JSON.parse(await stowage('push', 'chat', host, '--root', site, '--json', ...args)) as Result;

/** Checks that the content of a repository is that of the release. */
async function expectServed(host: string, repository: string, digest: string): Promise<void> {
  const reply = await fetch(`http://${host}/v2/${repository}/manifests/1.0.0`, {
    headers: { Accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
  const bytes = Buffer.from(await reply.arrayBuffer());
  expect(sha256(bytes)).toBe(digest);
  const manifest = JSON.parse(bytes.toString()) as { layers: { digest: string }[] };
  for (const each of manifest.layers) {
    const blob = await fetch(`http://${host}/v2/${repository}/blobs/${each.digest}`);
    expect(sha256(Buffer.from(await blob.arrayBuffer()))).toBe(each.digest);
  }
}

beforeAll(async () => {
  bundle = await smallBundle({ place: scratch.fresh(), weights: 9_000_000, crumbs: 3 });
  await stagedSite(site, [bundle]);
  registry = await startRegistry(scratch.fresh('registry'));
});

afterAll(() => registry.stop());

describe('when a release is pushed into docker-registry on loopback, without --insecure', () => {
  it('is uploaded in chunks, with the same digests', async () => {
    const { repositories } = await push(registry.host, '--chunk-size', '4MiB');
    expect(repositories.map(({ repository }) => repository)).toEqual([
      ...['chat/server', 'chat/tiny', 'chat/settings'],
    ]);
    await expectServed(registry.host, 'chat/server', bundle.bundle.images[0]?.target.digest ?? '');
    await expectServed(registry.host, 'chat/tiny', bundle.bundle.models[0]?.manifest ?? '');
    const patches = registry.log().match(/http.request.method=PATCH/g) ?? [];
    expect(patches.length).toBeGreaterThan(3);
  });

  it('uploads nothing twice, and mounts blobs of other repositories', async () => {
    const again = await push(registry.host);
    expect(again.repositories.map(({ uploaded }) => uploaded)).toEqual([0, 0, 0]);
    const fresh = await startRegistry(scratch.fresh('registry'));
    try {
      const rule = ['--name-rule', 'mirror/{registry}/{path}', '--modelcars'];
      const first = await push(fresh.host, ...rule);
      expect(first.repositories.map(({ repository }) => repository)).toEqual([
        ...['mirror/registry.example/server', 'mirror/hub/example/tiny'],
        ...['mirror/hub/example/tiny-car', 'mirror/files/settings', 'mirror/files/settings-car'],
      ]);
      const elsewhere = await push(fresh.host, '--name-rule', 'other/{name}');
      expect(elsewhere.repositories.every(({ tags }) => tags.length > 0)).toBe(true);
      const { host } = fresh;
      await skopeo([
        ...['inspect', '--tls-verify=false', `docker://${host}/mirror/hub/example/tiny-car:1.0.0`],
      ]);
    } finally {
      await fresh.stop();
    }
  });

  it('succeeds over a connection that breaks, although this registry discards interrupted uploads', async () => {
    const fresh = await startRegistry(scratch.fresh('registry'));
    const line = await cutting(Number(fresh.host.split(':')[1]), 3_000_000, 3);
    try {
      await push(line.host, '--chunk-size', '2MiB');
      expect(line.cuts()).toBe(3);
      await expectServed(fresh.host, 'chat/tiny', bundle.bundle.models[0]?.manifest ?? '');
    } finally {
      line.stop();
      await fresh.stop();
    }
  });

  it('refuses a layer above the limit before any request', async () => {
    const before = registry.log().length;
    const args = ['push', 'chat', registry.host, '--insecure', '--root', site];
    const failed = await capture(node, [program, ...args, '--max-layer-size', '1MB']);
    expect([failed.status, failed.stderr]).toEqual([
      1,
      expect.stringContaining('registry-refused'),
    ]);
    expect(registry.log()).toHaveLength(before);
  });

  it('signs in with the credentials of podman login, and without them explains how to sign in', async () => {
    const folder = scratch.fresh('registry');
    const locked = await startRegistry(folder, { htpasswd: CREDENTIALS });
    try {
      const auth = join(folder, 'auth.json');
      const pair = Buffer.from(`${CREDENTIALS.username}:${CREDENTIALS.password}`);
      writeFileSync(
        auth,
        JSON.stringify({ auths: { [locked.host]: { auth: pair.toString('base64') } } }),
      );
      const args = ['push', 'chat', locked.host, '--insecure', '--root', site];
      const env = { ...process.env, REGISTRY_AUTH_FILE: join(folder, 'none.json') };
      const denied = await capture(node, [program, ...args], { env });
      expect(denied.stderr).toContain('registry-denied');
      await run(node, [program, ...args], { env: { ...env, REGISTRY_AUTH_FILE: auth } });
      expect(
        readFileSync(join(site, 'push', `${locked.host.replace(':', '-')}.json`), 'utf8'),
      ).toBe('{}');
    } finally {
      await locked.stop();
    }
  });
});

/** A proxy to a port that cuts the connection after a number of bytes, a given number of times. */
async function cutting(
  port: number,
  every: number,
  times: number,
): Promise<{ host: string; cuts(): number; stop(): void }> {
  let [cuts, since] = [0, 0];
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const each of [client, upstream])
      each.on('error', () => {}).on('close', () => [client, upstream].map((one) => one.destroy()));
    upstream.pipe(client);
    client.pipe(upstream);
    client.on('data', (chunk: Buffer) => {
      since += chunk.length;
      if (since < every || cuts === times) return;
      since = 0;
      cuts += 1;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${own}`,
    cuts: () => cuts,
    stop: () => server.close(),
  };
}
