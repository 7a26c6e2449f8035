import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import { createRegistry } from '../../src/source/oci.ts';
import {
  choosePlatform,
  type PlatformFields,
  readImageDocument,
  uniqueBlobs,
} from '../../src/source/oci-manifest.ts';
import { never, serve, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';

const oci = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};
const docker = {
  index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};
const asked = { what: 'r.io/a:1', url: new URL('https://r.io/v2/a/manifests/1') };

function descriptor(mediaType: string, fill = 'a', more: object = {}): object {
  return { mediaType, digest: `sha256:${fill.repeat(64)}`, size: 3, ...more };
}

function manifest(more: object = {}, types = oci): object {
  return {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(types.config, 'b'),
    layers: [descriptor(types.layer, 'c')],
    ...more,
  };
}

function read(document: unknown, contentType = ''): ReturnType<typeof readImageDocument> {
  return readImageDocument(Buffer.from(JSON.stringify(document)), contentType, asked);
}

describe('an image document', () => {
  it.each([oci, docker])('in OCI and Docker format is read', (types) => {
    expect(read(manifest({}, types)).kind).toBe('image');
    expect(read({ schemaVersion: 2, mediaType: types.index, manifests: [] }).kind).toBe('index');
  });

  it.each([
    'application/vnd.oci.image.layer.v1.tar',
    'application/vnd.oci.image.layer.v1.tar+gzip',
    'application/vnd.oci.image.layer.v1.tar+zstd',
    'application/vnd.docker.image.rootfs.diff.tar',
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
    'application/vnd.docker.image.rootfs.diff.tar.zstd',
  ])('has layers of %s', (type) => {
    expect(read(manifest({ layers: [descriptor(type)] }))).toMatchObject({
      layers: [{ mediaType: type }],
    });
  });

  it('explains how to include an Ollama model', async () => {
    const layers = [descriptor('application/vnd.ollama.image.model')];
    const error = await expectCode(() => read(manifest({ layers })), 'source-unsupported');
    expect(error.hint).toContain('"models"');
  });

  it.each([
    ['no object', 1],
    ['no digest', { mediaType: oci.manifest, size: 3 }],
    ['a digest by SHA-512', descriptor(oci.manifest, 'c', { digest: `sha512:${'a'.repeat(128)}` })],
    ['a size that is none', descriptor(oci.manifest, 'c', { size: -1 })],
    ['no media type', { digest: `sha256:${'c'.repeat(64)}`, size: 3 }],
  ])('skips an index entry with %s', (_, odd) => {
    const good = descriptor(oci.manifest, 'a', { platform: { os: 'linux', architecture: 'arm' } });
    const index = { schemaVersion: 2, mediaType: oci.index, manifests: [odd, good] };
    expect(read(index)).toMatchObject({
      manifests: [{ digest: `sha256:${'a'.repeat(64)}`, platform: { architecture: 'arm' } }],
    });
  });

  it.each([
    {},
    { os: '', architecture: '' },
    { os: 'linux' },
    { architecture: 'arm64' },
    'linux',
    null,
  ])('treats the platform %j as absent', (platform) => {
    const manifests = [descriptor(oci.manifest, 'a', { platform })];
    const index = { schemaVersion: 2, mediaType: oci.index, manifests };
    expect(read(index)).toMatchObject({ manifests: [{ platform: undefined }] });
  });

  it('without a media type has that of the Content-Type header', () => {
    const document = { ...manifest(), mediaType: undefined };
    expect(read(document, `${oci.manifest}; charset=utf-8`).mediaType).toBe(oci.manifest);
  });

  it('with a generic Content-Type header has its own media type', () => {
    for (const header of ['', 'application/json', 'application/octet-stream', 'text/plain']) {
      expect(read(manifest(), header).mediaType).toBe(oci.manifest);
    }
  });

  it.each([
    [
      'of schema 1',
      { schemaVersion: 1, fsLayers: [] },
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
    ],
    ['of no type', { ...manifest(), mediaType: undefined }, 'application/json'],
    [
      'of another type',
      manifest({ mediaType: 'application/vnd.oci.artifact.manifest.v1+json' }),
      '',
    ],
    [
      'that is an artifact',
      manifest({ config: descriptor('application/vnd.oci.empty.v1+json') }),
      '',
    ],
    [
      'with a foreign layer',
      manifest({
        layers: [descriptor('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip')],
      }),
      '',
    ],
    [
      'with a non-distributable layer',
      manifest({ layers: [descriptor('application/vnd.oci.image.layer.nondistributable.v1.tar')] }),
      '',
    ],
    [
      'with a foreign layer',
      manifest({ layers: [descriptor(oci.layer, 'c', { urls: ['https://x'] })] }),
      '',
    ],
    [
      'with a blob named by SHA-512',
      manifest({ layers: [descriptor(oci.layer, 'c', { digest: `sha512:${'a'.repeat(128)}` })] }),
      '',
    ],
    ...[
      'application/octet-stream',
      'application/vnd.ollama.image.model',
      'application/vnd.cncf.model.weight.v1.raw',
      'application/vnd.docker.ai.gguf.v3',
      'application/vnd.oci.image.layer.v1.tar+bzip2',
      'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
      'application/vnd.oci.image.layer.v1.tarball',
      'text/plain',
    ].map((type): [string, object, string] => [
      `with a layer of ${type}`,
      manifest({ layers: [descriptor(oci.layer), descriptor(type, 'd')] }),
      '',
    ]),
  ])('%s is not supported', async (_, document, contentType) => {
    await expectCode(() => read(document, contentType), 'source-unsupported');
  });

  it.each([
    ['that is both an index and a manifest (CVE-2021-41190)', manifest({ manifests: [] }), ''],
    ['with a Content-Type of another kind', manifest(), oci.index],
    ['with a Content-Type of the other format', manifest(), docker.manifest],
    ['without a schema version', manifest({ schemaVersion: undefined }), ''],
    ['without layers', manifest({ layers: undefined }), ''],
    ['with layers that are not a list', manifest({ layers: {} }), ''],
    [
      'with more layers than any image',
      manifest({ layers: Array(1001).fill(descriptor(oci.layer)) }),
      '',
    ],
    ['without a config', manifest({ config: undefined }), ''],
    [
      'with a layer without a digest',
      manifest({ layers: [{ mediaType: oci.layer, size: 3 }] }),
      '',
    ],
    [
      'with a digest that contains a path',
      manifest({ layers: [descriptor(oci.layer, 'c', { digest: 'sha256:../../x' })] }),
      '',
    ],
    [
      'with a layer of negative size',
      manifest({ layers: [descriptor(oci.layer, 'c', { size: -1 })] }),
      '',
    ],
    [
      'with a layer whose size is not a number',
      manifest({ layers: [descriptor(oci.layer, 'c', { size: '3' })] }),
      '',
    ],
    ['with a layer of a broken type', manifest({ layers: [descriptor('a b')] }), ''],
  ])('%s is refused', async (_, document, contentType) => {
    await expectCode(() => read(document, contentType), 'source-malformed');
  });

  it.each(['', 'not JSON', '\xff', '{', '[]', 'null'])('%j is refused', async (text) => {
    const bytes = Buffer.from(text, 'latin1');
    const code = ['[]', 'null'].includes(text) ? 'source-unsupported' : 'source-malformed';
    await expectCode(() => readImageDocument(bytes, '', asked), code);
  });
});

describe('blobs named twice', () => {
  const blob = { digest: `sha256:${'a'.repeat(64)}` as Digest, size: 3, mediaType: oci.layer };

  it('are one', () => {
    expect(uniqueBlobs([blob, { ...blob }], asked)).toEqual([blob]);
  });

  it('with two sizes are refused', async () => {
    await expectCode(() => uniqueBlobs([blob, { ...blob, size: 4 }], asked), 'source-malformed');
  });
});

describe('when a registry serves', () => {
  interface Served {
    readonly body: string;
    readonly type?: string;
    readonly digest?: string;
  }

  async function resolve(served: Readonly<Record<string, Served>>, name = ':1'): Promise<unknown> {
    const server = await serve((request, response) => {
      const found = served[request.url?.split('/').at(-1) ?? ''];
      if (found === undefined) {
        response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
        return;
      }
      response.setHeader('content-type', found.type ?? 'application/json');
      if (found.digest !== undefined) response.setHeader('docker-content-digest', found.digest);
      response.end(found.body);
    });
    const registry = createRegistry({
      credentials: { find: async () => undefined },
      http: testHttp().http,
    });
    return registry.resolve(`${server.host}/a${name}`, ['linux/amd64'], never);
  }

  const digestOf = (text: string): string =>
    `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const config = JSON.stringify({ os: 'linux', architecture: 'amd64' });
  const configured = (text: string): object => ({
    mediaType: oci.config,
    digest: digestOf(text),
    size: text.length,
  });
  const image = JSON.stringify(manifest({ config: configured(config) }));
  const entry = (text: string, platform: object, mediaType = oci.manifest): object => ({
    mediaType,
    digest: digestOf(text),
    size: text.length,
    platform,
  });
  const linux = { os: 'linux', architecture: 'amd64' };
  const unknown = { os: 'unknown', architecture: 'unknown' };
  const index = (...manifests: object[]): string =>
    JSON.stringify({ schemaVersion: 2, mediaType: oci.index, manifests });

  it('a good image, it is resolved', async () => {
    const served = {
      1: { body: image, digest: digestOf(image) },
      [digestOf(config)]: { body: config },
    };
    await expect(resolve(served)).resolves.toMatchObject({ target: { digest: digestOf(image) } });
  });

  it('attestations in an index, they are omitted', async () => {
    const attestation = JSON.stringify(manifest());
    const body = index(entry(attestation, unknown), entry(image, linux));
    const resolved = await resolve({ 1: { body }, [digestOf(image)]: { body: image } });
    expect(resolved).toMatchObject({ platforms: [{ manifest: digestOf(image) }] });
    expect(JSON.stringify(resolved)).not.toContain(digestOf(attestation));
  });

  it('a nested index, it names the one with the image', async () => {
    const other = index(entry(image, { os: 'windows', architecture: 'amd64' }));
    const right = index(entry(image, linux));
    const nested = (text: string): object => ({
      ...entry(text, {}, oci.index),
      platform: undefined,
    });
    const served = {
      1: { body: index(nested(other), nested(right)) },
      [digestOf(other)]: { body: other },
      [digestOf(right)]: { body: right },
      [digestOf(image)]: { body: image },
    };
    const error = await expectCode(() => resolve(served), 'source-unsupported');
    const [, pinned = ''] = /@(sha256:[0-9a-f]{64})$/.exec(error.hint) ?? [];
    expect(pinned).toBe(digestOf(right));
    await expect(resolve(served, `@${pinned}`)).resolves.toMatchObject({
      platforms: [{ manifest: digestOf(image) }],
    });
    const without = { 1: { body: index(nested(other)) }, [digestOf(other)]: { body: other } };
    await expectCode(() => resolve(without), 'source-not-found');
  });

  it.each([
    ['one without a platform', undefined],
    ['one with an empty platform', { os: '', architecture: '' }],
    ['one with half a platform', { os: 'linux' }],
  ])('an index whose only entry is %s, it reads the config', async (_, platform) => {
    const body = index({ ...entry(image, linux), platform });
    const served = {
      1: { body },
      [digestOf(image)]: { body: image },
      [digestOf(config)]: { body: config },
    };
    await expect(resolve(served)).resolves.toMatchObject({
      platforms: [{ manifest: digestOf(image) }],
      images: [{ assumed: false }],
    });
  });

  it('an empty platform beside a stated one, it does not read the other', async () => {
    const body = index(
      { ...entry('odd', linux), platform: { os: '', architecture: '' } },
      entry(image, linux),
    );
    await expect(
      resolve({ 1: { body }, [digestOf(image)]: { body: image } }),
    ).resolves.toMatchObject({
      platforms: [{ manifest: digestOf(image) }],
    });
  });

  it('an artifact among entries without a platform, it is skipped', async () => {
    const artifact = JSON.stringify(
      manifest({ config: descriptor('application/vnd.oci.empty.v1+json') }),
    );
    const bare = (text: string): object => ({ ...entry(text, linux), platform: undefined });
    const served = {
      1: { body: index(bare('gone'), bare(artifact), bare(image)) },
      [digestOf(artifact)]: { body: artifact },
      [digestOf(image)]: { body: image },
      [digestOf(config)]: { body: config },
    };
    await expect(resolve(served)).resolves.toMatchObject({
      platforms: [{ manifest: digestOf(image) }],
    });
  });

  it.each(['{}', '{"os":"linux"}', '{"architecture":"amd64"}', '{"os":"","architecture":"amd64"}'])(
    'an image with the config %s, it assumes the requested platform',
    async (bare) => {
      const lone = JSON.stringify(manifest({ config: configured(bare) }));
      const served = { [digestOf(lone)]: { body: lone }, [digestOf(bare)]: { body: bare } };
      const assumed = { platforms: [{ platform: 'linux/amd64' }], images: [{ assumed: true }] };
      await expect(resolve({ ...served, 1: { body: lone } })).resolves.toMatchObject(assumed);
      const body = index({ ...entry(lone, {}), platform: undefined });
      await expect(resolve({ ...served, 1: { body } })).resolves.toMatchObject(assumed);
    },
  );

  it('a config for another os without architecture, it is not used', async () => {
    const bare = '{"os":"windows"}';
    const lone = JSON.stringify(manifest({ config: configured(bare) }));
    const served = { 1: { body: lone }, [digestOf(bare)]: { body: bare } };
    await expectCode(() => resolve(served), 'source-not-found');
  });

  it.each([
    [
      'bytes that do not match the reference',
      { [digestOf('x')]: { body: image } },
      `@${digestOf('x')}`,
    ],
    ['bytes that do not match its header', { 1: { body: image, digest: digestOf('x') } }, ':1'],
    [
      'bytes that do not match its index',
      { 1: { body: index(entry('x', linux)) }, [digestOf('x')]: { body: image } },
      ':1',
    ],
    [
      'a config that does not match its manifest',
      { 1: { body: image }, [digestOf(config)]: { body: config.replace('linux', 'plan9') } },
      ':1',
    ],
  ])('%s, it is refused', async (_, served, name) => {
    await expectCode(() => resolve(served, name), 'source-mismatch');
  });

  it.each([
    [
      'a manifest whose type differs from its index',
      {
        1: { body: index(entry(image, linux, docker.manifest)) },
        [digestOf(image)]: { body: image },
      },
    ],
    [
      'a manifest whose size differs from its index',
      {
        1: { body: index({ ...entry(image, linux), size: 1 }) },
        [digestOf(image)]: { body: image },
      },
    ],
    [
      'a config that is longer than in its manifest',
      {
        1: { body: JSON.stringify(manifest({ config: { ...configured(config), size: 3 } })) },
        [digestOf(config)]: { body: config },
      },
    ],
    [
      'an oversized config',
      {
        1: { body: JSON.stringify(manifest({ config: { ...configured(config), size: 2 ** 40 } })) },
      },
    ],
    ['a manifest without end', { 1: { body: ' '.repeat(4 * 1024 * 1024 + 1) } }],
  ])('%s, it is refused', async (_, served) => {
    await expectCode(() => resolve(served), 'source-malformed');
  });
});

function entry(text: string): { readonly platform: PlatformFields } {
  const [os = '', architecture = '', variant] = text.split('/');
  return { platform: { os, architecture, ...(variant !== undefined && { variant }) } };
}

describe('a platform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64', ['linux/arm64', 'linux/amd64', 'windows/amd64']],
    ['linux/arm64', 'linux/arm64/v8', ['linux/arm64/v9', 'linux/arm64/v8']],
    ['linux/arm64/v8', 'linux/arm64', ['linux/arm64']],
    ['linux/arm', 'linux/arm/v7', ['linux/arm/v6', 'linux/arm/v7']],
    ['linux/arm', 'linux/arm/v6', ['linux/arm/v6']],
    ['linux/arm', undefined, ['linux/arm/v5', 'linux/arm/v6']],
    ['linux/arm/v6', undefined, ['linux/arm/v7']],
    ['linux/amd64', undefined, ['linux/arm64', 'windows/amd64']],
    ['linux/amd64', 'linux/amd64/v3', ['linux/amd64/v3']],
    ['linux/amd64', 'linux/amd64', ['linux/amd64/v3', 'linux/amd64']],
    ['linux/amd64', undefined, []],
  ])('%s means %s', (wanted, chosen, has) => {
    const candidates = has.map(entry);
    const expected = chosen === undefined ? undefined : entry(chosen);
    expect(choosePlatform(candidates, wanted)).toEqual(expected);
  });
});
