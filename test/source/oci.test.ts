import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import { createHostTrust } from '../../src/net/host-trust.ts';
import { Secret } from '../../src/net/secret.ts';
import { createTransport } from '../../src/net/transport.ts';
import { type CredentialStore, createRegistry, type Registry } from '../../src/source/oci.ts';
import { run } from '../lab/process.ts';
import {
  freePort,
  pushLayout,
  startRegistry,
  type Registry as TestRegistry,
} from '../lab/registry.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { drain, never, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';

const folder = mkdtempSync(join(tmpdir(), 'stowage-oci-'));
const account = { username: 'me', password: 'open-sesame-0123456789' };
let open: TestRegistry;
let closed: TestRegistry;
let image: LayoutImage;

beforeAll(async () => {
  image = await tinyImage(join(folder, 'layout'));
  open = await startRegistry(join(folder, 'open'));
  closed = await startRegistry(join(folder, 'closed'), { htpasswd: account });
  await pushLayout(image.layout, image.tag, `${open.host}/team/app:1.0`);
  await pushLayout(image.layout, image.imageTag, `${open.host}/team/app:amd64`);
  await pushLayout(image.layout, image.tag, `${closed.host}/team/app:1.0`, {
    credentials: account,
  });
});

afterAll(async () => {
  await Promise.all([open.stop(), closed.stop()]);
  rmSync(folder, { recursive: true });
});

function registry(password?: string): Registry {
  const credentials: CredentialStore = {
    find: async () =>
      password === undefined
        ? undefined
        : { kind: 'basic', username: account.username, password: new Secret(password) },
  };
  return createRegistry({ credentials, http: testHttp().http });
}

const amd64 = ['linux/amd64'];

describe('when a tag names an index', () => {
  it('is resolved for the requested platforms, with unchanged bytes', async () => {
    const resolved = await registry().resolve(`${open.host}/team/app:1.0`, amd64, never);
    expect(resolved.repository).toBe(`${open.host}/team/app`);
    expect(resolved.target).toMatchObject({
      digest: image.digest,
      mediaType: 'application/vnd.oci.image.index.v1+json',
    });
    expect(resolved.platforms).toEqual([
      { platform: 'linux/amd64', manifest: image.imageDigest, config: resolved.blobs[2]?.digest },
    ]);
    expect(resolved.blobs.map(({ mediaType }) => mediaType)).toEqual([
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.oci.image.manifest.v1+json',
      'application/vnd.oci.image.config.v1+json',
      'application/vnd.oci.image.layer.v1.tar+gzip',
    ]);
    expect([...resolved.manifests.keys()]).toEqual([image.digest, image.imageDigest]);
    expect(resolved.manifests.get(resolved.target.digest)).toHaveLength(resolved.target.size);
  });

  it('has every requested platform', async () => {
    const platforms = ['linux/arm64', 'linux/amd64'];
    const resolved = await registry().resolve(`${open.host}/team/app:1.0`, platforms, never);
    expect(resolved.platforms.map(({ platform }) => platform)).toEqual(platforms);
    expect(resolved.blobs).toHaveLength(7);
  });

  it('that lacks a platform, lists its platforms', async () => {
    const error = await expectCode(
      () => registry().resolve(`${open.host}/team/app:1.0`, ['linux/riscv64'], never),
      'source-not-found',
    );
    expect(error.found).toBe('linux/amd64, linux/arm64');
  });
});

describe('when a tag names a single image', () => {
  it('is for the platform in its config', async () => {
    const resolved = await registry().resolve(`${open.host}/team/app:amd64`, amd64, never);
    expect(resolved.target.digest).toBe(image.imageDigest);
    expect(resolved.platforms[0]?.manifest).toBe(image.imageDigest);
    expect(resolved.blobs).toHaveLength(3);
  });

  it('is refused for another', async () => {
    const error = await expectCode(
      () => registry().resolve(`${open.host}/team/app:amd64`, [...amd64, 'linux/arm64'], never),
      'source-not-found',
    );
    expect(error).toMatchObject({ expected: 'linux/arm64', found: 'linux/amd64' });
  });
});

describe('when a reference has a digest', () => {
  it('is resolved by digest, regardless of its tag', async () => {
    const source = `${open.host}/team/app:gone@${image.digest}`;
    const resolved = await registry().resolve(source, amd64, never);
    expect(resolved.target.digest).toBe(image.digest);
  });

  it('that is missing, is reported', async () => {
    const source = `${open.host}/team/app@sha256:${'0'.repeat(64)}`;
    await expectCode(() => registry().resolve(source, amd64, never), 'source-not-found');
  });
});

describe('when something is missing', () => {
  it('gives a command that lists the tags of the repository', async () => {
    const error = await expectCode(
      () => registry().resolve(`${open.host}/team/app:9.9`, amd64, never),
      'source-not-found',
    );
    const [, command = ''] = /; (skopeo .*) lists the tags$/.exec(error.hint) ?? [];
    const [program = '', ...args] = command.split(' ');
    const { stdout } = await promisify(execFile)(program, args);
    expect(JSON.parse(stdout)).toMatchObject({ Tags: expect.arrayContaining(['1.0', 'amd64']) });
  });

  it('gives none for a digest', async () => {
    const source = `${open.host}/team/app@sha256:${'0'.repeat(64)}`;
    const run = (): Promise<unknown> => registry().resolve(source, amd64, never);
    expect((await expectCode(run, 'source-not-found')).hint).not.toContain('skopeo');
  });

  it('names the tag', async () => {
    const error = await expectCode(
      () => registry().resolve(`${open.host}/team/app:9.9`, amd64, never),
      'source-not-found',
    );
    expect(error.message).toBe(`tag 9.9 was not found in ${open.host}/team/app`);
  });

  it('reports that the registry is down', async () => {
    const source = `127.0.0.1:${await freePort()}/team/app:1.0`;
    const error = await expectCode(
      () => registry().resolve(source, amd64, never),
      'source-unreachable',
    );
    expect(error.found).toBe('connection refused');
  });
});

describe('when blobs are opened', () => {
  it('returns their bytes from any offset', async () => {
    const client = registry();
    const { repository, blobs } = await client.resolve(`${open.host}/team/app:1.0`, amd64, never);
    for (const { digest, size } of blobs.slice(2)) {
      const whole = await drain(await client.blob(repository, digest).open(0, never));
      expect(whole).toHaveLength(size);
      for (const offset of [1, size - 1, size]) {
        const rest = await drain(await client.blob(repository, digest).open(offset, never));
        expect(rest).toEqual(whole.subarray(offset));
      }
    }
  });

  it('also returns manifests', async () => {
    const client = registry();
    const { repository, manifests } = await client.resolve(
      `${open.host}/team/app:1.0`,
      amd64,
      never,
    );
    for (const [digest, bytes] of manifests) {
      expect((await client.manifest(repository, digest, never)).bytes).toEqual(bytes);
      const rest = await client.manifestOrigin(repository, digest).open(9, never);
      expect(await drain(rest)).toEqual(bytes.subarray(9));
    }
  });

  it('names the missing one', async () => {
    const digest = `sha256:${'0'.repeat(64)}` as Digest;
    const origin = registry().blob(`${open.host}/team/app`, digest);
    const error = await expectCode(() => origin.open(0, never), 'source-not-found');
    expect(error.message).toContain(digest);
  });
});

describe('when a local registry uses TLS', () => {
  it('is contacted only over TLS, and its certificate must be valid', async () => {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const request =
      '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab';
    const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate];
    await run('openssl', ['req', ...request.split(' '), ...names]);
    const tls = await startRegistry(join(folder, 'tls'), { tls: { key, certificate } });
    try {
      await pushLayout(image.layout, image.tag, `${tls.host}/team/app:1.0`);
      const source = `${tls.host}/team/app:1.0`;
      const error = await expectCode(
        () => registry().resolve(source, amd64, never),
        'source-unreachable',
      );
      expect(error.found).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
      expect(error.hint).toContain('--ca-file');
      const trust = await createHostTrust({
        env: {},
        home: folder,
        caFile: certificate,
        folders: [],
      });
      const { http } = testHttp({ transport: createTransport({ trust }) });
      const trusting = createRegistry({ credentials: { find: async () => undefined }, http });
      const resolved = await trusting.resolve(source, amd64, never);
      expect(resolved.target.digest).toBe(image.digest);
    } finally {
      await tls.stop();
    }
  });
});

describe('when a registry requires authentication', () => {
  it('sends the credentials', async () => {
    const client = registry(account.password);
    const source = `${closed.host}/team/app:1.0`;
    const { repository, blobs } = await client.resolve(source, amd64, never);
    for (const { digest } of blobs.slice(2))
      await drain(await client.blob(repository, digest).open(0, never));
  });

  it('without credentials, explains how to sign in', async () => {
    const error = await expectCode(
      () => registry().resolve(`${closed.host}/team/app:1.0`, amd64, never),
      'source-denied',
    );
    expect(error.hint).toContain(`podman login ${closed.host}`);
  });

  it('if they are refused, does not reveal the password', async () => {
    const wrong = 'wrong-password-9876543210';
    const error = await expectCode(
      () => registry(wrong).resolve(`${closed.host}/team/app:1.0`, amd64, never),
      'source-denied',
    );
    const shown = inspect(error, { depth: 20, showHidden: true });
    expect(shown).not.toContain(wrong);
    expect(shown).not.toContain(Buffer.from(`me:${wrong}`).toString('base64').slice(4));
  });
});
