import { describe, expect, it } from 'vitest';
import { fetchBlob } from '../../src/build/fetch.ts';
import { withTransfer } from '../../src/build/transfer.ts';
import { digestHex, digestOf } from '../../src/core/digest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { describeHttps, foreignLayerOrigin, httpsOrigin } from '../../src/source/https.ts';
import { readImageDocument } from '../../src/source/oci-manifest.ts';
import { contextOf } from '../build/samples.ts';
import { drain, type Handler, never, serve, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';

const bytes = Buffer.from('0123456789');

/** Answers Range requests correctly. */
const ranged: Handler = (request, response) => {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? Number.NaN);
  if (Number.isNaN(start)) response.end(bytes);
  else if (start >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  } else {
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(206, { 'content-range': range }).end(bytes.subarray(start));
  }
};

const ignoring: Handler = (_, response) => response.end(bytes);

async function read(handler: Handler, offset: number): Promise<string> {
  const server = await serve(handler);
  const origin = httpsOrigin(`${server.url}/file`, testHttp().http);
  return (await drain(await origin.open(offset, never))).toString();
}

describe('when a file is opened at an offset', () => {
  for (const [name, handler] of Object.entries({ ranged, ignoring })) {
    it.each([
      [0, '0123456789'],
      [1, '123456789'],
      [9, '9'],
      [10, ''],
    ])(`a ${name} server gives the rest from %i`, async (offset, rest) => {
      expect(await read(handler, offset)).toBe(rest);
    });

    it(`a ${name} server that has less is found out`, async () => {
      await expectCode(() => read(handler, 11), 'source-mismatch');
    });
  }

  it('requests the rest if a server returns less than requested', async () => {
    const inThrees: Handler = (request, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const end = Math.min(start + 3, bytes.length);
      const range = `bytes ${start}-${end - 1}/${bytes.length}`;
      response.writeHead(206, { 'content-range': range }).end(bytes.subarray(start, end));
    };
    expect(await read(inThrees, 2)).toBe('23456789');
    expect(await read(inThrees, 0)).toBe('0123456789');
  });
});

describe('when a server answers a range request incorrectly', () => {
  it.each([
    ['another start', 'bytes 0-9/10', bytes],
    ['an end beyond its total', 'bytes 4-10/10', bytes],
    ['an end before its start', 'bytes 4-3/10', bytes],
    ['another unit', 'lines 4-9/10', bytes],
    ['no total', 'bytes 4-9/*', bytes.subarray(4)],
    ['no range', undefined, bytes.subarray(4)],
    ['more bytes than it says', 'bytes 4-9/10', bytes],
    ['fewer bytes than it says', 'bytes 4-9/10', bytes.subarray(5)],
  ])('%s is refused', async (_, range, body) => {
    const wrong: Handler = (_request, response) =>
      void response.writeHead(206, range === undefined ? {} : { 'content-range': range }).end(body);
    await expectCode(() => read(wrong, 4), 'source-malformed');
  });

  it('a different total size within one file is refused', async () => {
    const growing: Handler = (request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? '')?.[0]);
      const range = `bytes ${start}-${start}/${10 + start}`;
      response.writeHead(206, { 'content-range': range }).end('x');
    };
    await expectCode(() => read(growing, 1), 'source-mismatch');
  });

  it('a content encoding on a partial response is refused', async () => {
    const encoded: Handler = (_, response) =>
      void response
        .writeHead(206, { 'content-range': 'bytes 4-9/10', 'content-encoding': 'x-own' })
        .end(bytes.subarray(4));
    await expectCode(() => read(encoded, 4), 'source-malformed');
  });
});

describe('when a connection breaks in the middle of a file', () => {
  it('fails after the received bytes, and can be reopened there', async () => {
    const server = await serve((request, response) => {
      if (request.headers.range !== undefined) return ranged(request, response);
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 4), () => response.destroy());
    });
    const origin = httpsOrigin(server.url, testHttp().http);
    const got: Uint8Array[] = [];
    const error = await expectCode(async () => {
      for await (const chunk of await origin.open(0, never)) got.push(chunk);
    }, 'source-unreachable');
    expect(error.found).toContain('after 4 bytes');
    got.push(await drain(await origin.open(Buffer.concat(got).length, never)));
    expect(Buffer.concat(got)).toEqual(bytes);
  });
});

describe('when an address is not https', () => {
  it.each([
    'http://example.com/file',
    'http://128.0.0.1/file',
    'http://localhost.example.com/file',
    'ftp://example.com/file',
    'https://user:secret-word@example.com/file',
    'no address',
  ])('refuses %s', async (address) => {
    const { http } = testHttp();
    const error = await expectCode(() => httpsOrigin(address, http), 'source-unsupported');
    expect(JSON.stringify([error.message, error.found, error.hint])).not.toContain('secret-word');
  });

  it.each([
    'http://localhost:8080/file',
    'http://127.1.2.3/file',
    'http://[::1]:80/file',
    'https://example.com/file',
  ])('accepts %s', (address) => {
    expect(httpsOrigin(address, testHttp().http).description).toMatch(/\/file$/);
  });

  it('describes an address without its query', () => {
    expect(describeHttps('https://example.com/a/b?token=x#y')).toBe('https://example.com/a/b');
  });
});

const root = temporaryFolder();
const bytesOfForeignLayer = Buffer.from('a layer that may not lie in a registry');
const asked = { what: 'it', url: new URL('https://registry.example/v2/a/manifests/1') };
const OCI = 'application/vnd.oci.image';

function manifestOf(urls: unknown): Buffer {
  const layer = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    digest: digestOf(bytesOfForeignLayer),
    size: bytesOfForeignLayer.length,
    urls,
  };
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: {
        mediaType: `${OCI}.config.v1+json`,
        digest: digestOf(bytesOfForeignLayer),
        size: 2,
      },
      layers: [layer],
    }),
  );
}

const readOfForeignLayer = (
  urls: unknown,
  allowed?: boolean,
  from: { what: string; url: URL } = asked,
): ReturnType<typeof readImageDocument> => readImageDocument(manifestOf(urls), '', from, allowed);

describe('when an image has foreign layers', () => {
  it('records their addresses if the manifest allows them', () => {
    const urls = ['https://vendor.example/layer', 'http://127.0.0.1:1/layer'];
    const here = { what: 'it', url: new URL('http://127.0.0.1:5000/v2/a/manifests/1') };
    expect(readOfForeignLayer(urls, true, here)).toMatchObject({
      layers: [{ digest: digestOf(bytesOfForeignLayer), urls }],
    });
  });

  it.each([
    'http://127.0.0.1:1/layer',
    'https://localhost/layer',
    'https://169.254.169.254/latest',
  ])('is refused if a remote registry refers to %s', async (address) => {
    await expectCode(() => readOfForeignLayer([address], true), 'source-malformed');
  });

  it('is refused if it does not, with a hint', async () => {
    const error = await expectCode(
      () => readOfForeignLayer(['https://vendor.example/x']),
      'source-unsupported',
    );
    expect(error.hint).toContain('foreignLayers: true');
  });

  it.each([
    ['http', ['http://vendor.example/layer']],
    ['a file of this machine', ['file:///etc/passwd']],
    ['an address with a user', ['https://me:word@vendor.example/layer']],
    ['no text', [7]],
    ['no address', []],
  ])('is refused with %s, even if allowed', async (_, urls) => {
    await expectCode(() => readOfForeignLayer(urls, true), 'source-unsupported');
  });
});

describe('when a foreign layer is downloaded', () => {
  it('tries one address after the other', async () => {
    const server = await serve(({ url }, response) => {
      if (url === '/gone') response.writeHead(404).end();
      else response.end(bytesOfForeignLayer);
    });
    const { http } = testHttp();
    const origin = foreignLayerOrigin([`${server.url}/gone`, `${server.url}/here`], http);
    expect((await drain(await origin.open(0, never))).equals(bytesOfForeignLayer)).toBe(true);
    expect(server.seen.map(({ url }) => url)).toEqual(['/gone', '/here']);
    expect(server.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it('refuses bytes that do not match the digest, and keeps none', async () => {
    const server = await serve((_, response) =>
      response.end(Buffer.alloc(bytesOfForeignLayer.length)),
    );
    const store = new BlobStore(root);
    const digest = digestOf(bytesOfForeignLayer);
    const expected = { key: digestHex(digest), digest, size: bytesOfForeignLayer.length };
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
