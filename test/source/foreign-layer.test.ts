import { describe, expect, it } from 'vitest';
import { fetchBlob } from '../../src/build/fetch.ts';
import { withTransfer } from '../../src/build/transfer.ts';
import { digestHex, digestOf } from '../../src/core/digest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { foreignLayerOrigin } from '../../src/source/foreign-layer.ts';
import { readImageDocument } from '../../src/source/oci-manifest.ts';
import { contextOf } from '../build/samples.ts';
import { drain, never, serve, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const bytes = Buffer.from('a layer that may not lie in a registry');
const asked = { what: 'it', url: new URL('https://registry.example/v2/a/manifests/1') };
const OCI = 'application/vnd.oci.image';

function manifestOf(urls: unknown): Buffer {
  const layer = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    digest: digestOf(bytes),
    size: bytes.length,
    urls,
  };
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: { mediaType: `${OCI}.config.v1+json`, digest: digestOf(bytes), size: 2 },
      layers: [layer],
    }),
  );
}

const read = (
  urls: unknown,
  allowed?: boolean,
  from: { what: string; url: URL } = asked,
): ReturnType<typeof readImageDocument> => readImageDocument(manifestOf(urls), '', from, allowed);

describe('when an image has foreign layers', () => {
  it('records their addresses if the manifest allows them', () => {
    const urls = ['https://vendor.example/layer', 'http://127.0.0.1:1/layer'];
    const here = { what: 'it', url: new URL('http://127.0.0.1:5000/v2/a/manifests/1') };
    expect(read(urls, true, here)).toMatchObject({ layers: [{ digest: digestOf(bytes), urls }] });
  });

  it.each([
    'http://127.0.0.1:1/layer',
    'https://localhost/layer',
    'https://169.254.169.254/latest',
  ])('is refused if a remote registry refers to %s', async (address) => {
    await expectCode(() => read([address], true), 'source-malformed');
  });

  it('is refused if it does not, with a hint', async () => {
    const error = await expectCode(() => read(['https://vendor.example/x']), 'source-unsupported');
    expect(error.hint).toContain('foreignLayers: true');
  });

  it.each([
    ['http', ['http://vendor.example/layer']],
    ['a file of this machine', ['file:///etc/passwd']],
    ['an address with a user', ['https://me:word@vendor.example/layer']],
    ['no text', [7]],
    ['no address', []],
  ])('is refused with %s, even if allowed', async (_, urls) => {
    await expectCode(() => read(urls, true), 'source-unsupported');
  });
});

describe('when a foreign layer is downloaded', () => {
  it('tries one address after the other', async () => {
    const server = await serve(({ url }, response) => {
      if (url === '/gone') response.writeHead(404).end();
      else response.end(bytes);
    });
    const { http } = testHttp();
    const origin = foreignLayerOrigin([`${server.url}/gone`, `${server.url}/here`], http);
    expect((await drain(await origin.open(0, never))).equals(bytes)).toBe(true);
    expect(server.seen.map(({ url }) => url)).toEqual(['/gone', '/here']);
    expect(server.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it('refuses bytes that do not match the digest, and keeps none', async () => {
    const server = await serve((_, response) => response.end(Buffer.alloc(bytes.length)));
    const store = new BlobStore(root);
    const digest = digestOf(bytes);
    const expected = { key: digestHex(digest), digest, size: bytes.length };
    const origin = foreignLayerOrigin([`${server.url}/x`], testHttp().http);
    await expectCode(
      () =>
        withTransfer({ ...contextOf(), store }, (transfer) =>
          fetchBlob(transfer, expected, origin),
        ),
      'source-mismatch',
    );
    expect(await contents(root)).toEqual({});
  });
});
