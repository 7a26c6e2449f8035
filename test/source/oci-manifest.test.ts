import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import { createRegistry } from '../../src/source/oci.ts';
import { readImageDocument, uniqueBlobs } from '../../src/source/oci-manifest.ts';
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
  it.each([oci, docker])('of either generation is read', (types) => {
    expect(read(manifest({}, types)).kind).toBe('image');
    expect(read({ schemaVersion: 2, mediaType: types.index, manifests: [] }).kind).toBe('index');
  });

  it('without a type of its own has that of its header', () => {
    const document = { ...manifest(), mediaType: undefined };
    expect(read(document, `${oci.manifest}; charset=utf-8`).mediaType).toBe(oci.manifest);
  });

  it('with a header that says nothing has its own type', () => {
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
      'with a layer not to be distributed',
      manifest({ layers: [descriptor('application/vnd.oci.image.layer.nondistributable.v1.tar')] }),
      '',
    ],
    [
      'with a layer from elsewhere',
      manifest({ layers: [descriptor(oci.layer, 'c', { urls: ['https://x'] })] }),
      '',
    ],
    [
      'with a blob named by SHA-512',
      manifest({ layers: [descriptor(oci.layer, 'c', { digest: `sha512:${'a'.repeat(128)}` })] }),
      '',
    ],
  ])('%s cannot be carried', async (_, document, contentType) => {
    await expectCode(() => read(document, contentType), 'source-unsupported');
  });

  it.each([
    ['of two kinds at once (CVE-2021-41190)', manifest({ manifests: [] }), ''],
    ['with a header of another kind', manifest(), oci.index],
    ['with a header of another generation', manifest(), docker.manifest],
    ['without a schema version', manifest({ schemaVersion: undefined }), ''],
    ['without layers', manifest({ layers: undefined }), ''],
    ['with layers that are no list', manifest({ layers: {} }), ''],
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
      'with a digest that leads elsewhere',
      manifest({ layers: [descriptor(oci.layer, 'c', { digest: 'sha256:../../x' })] }),
      '',
    ],
    [
      'with a layer of negative size',
      manifest({ layers: [descriptor(oci.layer, 'c', { size: -1 })] }),
      '',
    ],
    [
      'with a layer of a size that is no number',
      manifest({ layers: [descriptor(oci.layer, 'c', { size: '3' })] }),
      '',
    ],
    ['with a layer of a broken type', manifest({ layers: [descriptor('a b')] }), ''],
    [
      'with a platform without a name',
      {
        schemaVersion: 2,
        mediaType: oci.index,
        manifests: [descriptor(oci.manifest, 'a', { platform: {} })],
      },
      '',
    ],
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

  it('attestations in an index, they stay behind', async () => {
    const attestation = JSON.stringify(manifest());
    const body = index(entry(attestation, unknown), entry(image, linux));
    const resolved = await resolve({ 1: { body }, [digestOf(image)]: { body: image } });
    expect(resolved).toMatchObject({ platforms: [{ manifest: digestOf(image) }] });
    expect(JSON.stringify(resolved)).not.toContain(digestOf(attestation));
  });

  it('an index within an index, it has no image to offer', async () => {
    const body = index(entry(image, linux, oci.index));
    await expectCode(() => resolve({ 1: { body } }), 'source-not-found');
  });

  it.each([
    [
      'other bytes than the reference names',
      { [digestOf('x')]: { body: image } },
      `@${digestOf('x')}`,
    ],
    ['other bytes than its header names', { 1: { body: image, digest: digestOf('x') } }, ':1'],
    [
      'other bytes than its index names',
      { 1: { body: index(entry('x', linux)) }, [digestOf('x')]: { body: image } },
      ':1',
    ],
    [
      'another config than its manifest names',
      { 1: { body: image }, [digestOf(config)]: { body: config.replace('linux', 'plan9') } },
      ':1',
    ],
  ])('%s, it is refused', async (_, served, name) => {
    await expectCode(() => resolve(served, name), 'source-mismatch');
  });

  it.each([
    [
      'a manifest of another type than its index says',
      {
        1: { body: index(entry(image, linux, docker.manifest)) },
        [digestOf(image)]: { body: image },
      },
    ],
    [
      'a manifest of another size than its index says',
      {
        1: { body: index({ ...entry(image, linux), size: 1 }) },
        [digestOf(image)]: { body: image },
      },
    ],
    [
      'a config that is longer than its manifest says',
      {
        1: { body: JSON.stringify(manifest({ config: { ...configured(config), size: 3 } })) },
        [digestOf(config)]: { body: config },
      },
    ],
    [
      'a config that is larger than any',
      {
        1: { body: JSON.stringify(manifest({ config: { ...configured(config), size: 2 ** 40 } })) },
      },
    ],
    [
      'a config without a platform',
      {
        1: { body: JSON.stringify(manifest({ config: configured('{}') })) },
        [digestOf('{}')]: { body: '{}' },
      },
    ],
    ['a manifest without end', { 1: { body: ' '.repeat(4 * 1024 * 1024 + 1) } }],
  ])('%s, it is refused', async (_, served) => {
    await expectCode(() => resolve(served), 'source-malformed');
  });
});
