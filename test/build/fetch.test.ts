import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fetchBlob } from '../../src/build/fetch.ts';
import { withTransfer } from '../../src/build/transfer.ts';
import { digestHex, digestOf, sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { httpsOrigin } from '../../src/source/https.ts';
import { seededBytes } from '../lab/random.ts';
import { never, serve, type TestServer, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let stores = 0;
const bytes = seededBytes(7, 20 * MIB + 3);
const size = bytes.length;
const digest = digestOf(bytes);
const expected = { key: digestHex(digest), size, digest };

interface Asked {
  readonly start: number;
  /** One past the last. */
  readonly end: number;
  /** The number of earlier requests. */
  readonly index: number;
}

type Answer = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

const stretch: Answer = ({ start, end }, response) => {
  const range = `bytes ${start}-${end - 1}/${size}`;
  response.writeHead(206, { 'content-range': range, 'content-length': end - start });
  response.end(bytes.subarray(start, end));
};
const whole: Answer = (_, response) => response.writeHead(200).end(bytes);

/** The first `count` bytes of a good response, then the connection breaks. */
const broken = (count: number): Answer => {
  return ({ start, end }, response) => {
    const range = `bytes ${start}-${end - 1}/${size}`;
    response.writeHead(206, { 'content-range': range, 'content-length': end - start });
    response.write(bytes.subarray(start, start + count), () => response.destroy());
  };
};

async function serveParts(answer: (asked: Asked) => Answer): Promise<TestServer> {
  let index = 0;
  return serve((request, response) => {
    const [, first = 0, last = 0] = (
      /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    ).map(Number);
    const asked = { start: first, end: last + 1, index: index++ };
    answer(asked)(asked, response, request);
  });
}

interface Fetched {
  readonly store: BlobStore;
  readonly counted: number;
}

async function fetchFrom(
  server: TestServer,
  store = new BlobStore(join(root, String(stores++))),
  signal: AbortSignal = never,
): Promise<Fetched> {
  let counted = 0;
  const origin = httpsOrigin(server.url, testHttp().http);
  await withTransfer({ store, signal, emit: () => {} }, (transfer) =>
    fetchBlob(transfer, expected, origin, (more) => {
      counted += more;
    }),
  );
  return { store, counted };
}

async function expectWhole({ store, counted }: Fetched): Promise<void> {
  expect(counted).toBe(size);
  expect(bytes.equals(await store.read(digest, size))).toBe(true);
  expect((await store.noted({ digest, size }))?.sums.parts[0]?.sha512).toBe(
    `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
  );
  expect(
    Object.keys(await contents(store.root)).filter((each) => each.startsWith('incoming')),
  ).toEqual([]);
}

describe('when a large blob is fetched in parts', () => {
  it.each([
    ['in ranges', stretch],
    ['whole, from a server that ignores ranges', whole],
  ])('records checksums for the part size of the bundle, %s', async (_, answer) => {
    const server = await serveParts(() => answer);
    const store = new BlobStore(join(root, String(stores++)));
    const origin = httpsOrigin(server.url, testHttp().http);
    const partSize = 12 * MIB;
    await withTransfer({ store, signal: never, emit: () => {}, partSize }, (transfer) =>
      fetchBlob(transfer, expected, origin),
    );
    const { sums, untouched } = (await store.noted({ digest, size })) ?? {};
    expect(untouched).toBe(true);
    expect(sums?.partSize).toBe(partSize);
    expect(sums?.parts.map(({ sha512 }) => sha512)).toEqual(
      Array.from({ length: Math.ceil(size / partSize) }, (_each, n) =>
        sriOf(bytes.subarray(n * partSize, (n + 1) * partSize)),
      ),
    );
  });

  it.each<[string, (asked: Asked) => Answer]>([
    ['gives what is asked for', () => stretch],
    ['knows no ranges', () => whole],
    [
      'breaks after a megabyte and a bit, five times',
      ({ index }) => (index < 5 ? broken(MIB + 77) : stretch),
    ],
    ['breaks before the first byte, twice', ({ index }) => (index < 2 ? broken(0) : stretch)],
    ['sends the whole once in between', ({ index }) => (index === 1 ? whole : broken(9 * MIB))],
    [
      'answers 503 once',
      ({ index }) => (index === 0 ? (_, response) => response.writeHead(503).end() : stretch),
    ],
    [
      'gives less than is asked for',
      ({ start, end, index }) =>
        (_, response, request) =>
          stretch({ start, end: Math.min(end, start + 3 * MIB), index }, response, request),
    ],
  ])('from a server that %s', async (_, answer) => {
    await expectWhole(await fetchFrom(await serveParts(answer)));
  });

  it('asks on another connection as well when the first one stalls', async () => {
    const large = seededBytes(8, 65 * MIB);
    const key = digestOf(large);
    const starts: number[] = [];
    let resume = (): void => {};
    const server = await serve((request, response) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const [start, end] = [Number(first), Number(last) + 1];
      starts.push(start);
      const range = `bytes ${start}-${end - 1}/${large.length}`;
      response.writeHead(206, { 'content-range': range, 'content-length': end - start });
      const half = start === 0 ? 3 * MIB : end;
      response.write(large.subarray(start, half));
      if (start === 0) resume = (): void => void response.end(large.subarray(half, end));
      else response.end(resume);
    });
    const store = new BlobStore(join(root, String(stores++)));
    const wanted = { key: digestHex(key), size: large.length, digest: key };
    await withTransfer({ store, signal: never, emit: () => {} }, (transfer) =>
      fetchBlob(transfer, wanted, httpsOrigin(server.url, testHttp().http)),
    );
    expect(starts).toEqual([0, 64 * MIB]);
    expect(await store.size(key)).toBe(large.length);
  });

  it('requests nothing twice if the connection breaks', async () => {
    let sent = 0;
    const server = await serveParts((asked) => {
      const count = Math.min(asked.end - asked.start, 3 * MIB);
      sent += count;
      return count === asked.end - asked.start ? stretch : broken(count);
    });
    await expectWhole(await fetchFrom(server));
    // Bytes in the socket buffer are lost when the connection breaks.
    expect(sent).toBeLessThan(size * 1.05);
  });

  it('resumes where an earlier run was stopped', async () => {
    const stop = new AbortController();
    const server = await serveParts(({ index }) =>
      index === 0
        ? broken(7 * MIB)
        : (asked, response) => {
            response.writeHead(206, {
              'content-range': `bytes ${asked.start}-${asked.end - 1}/${size}`,
            });
            response.write(bytes.subarray(asked.start, asked.start + 1), () => stop.abort());
          },
    );
    const store = new BlobStore(join(root, String(stores++)));
    await expectCode(() => fetchFrom(server, store, stop.signal), 'interrupted');
    let asked = size;
    const second = await serveParts((each) => {
      asked = Math.min(asked, each.start);
      return stretch;
    });
    await expectWhole(await fetchFrom(second, store));
    expect(asked).toBeGreaterThan(6 * MIB);
  });

  it('follows a redirect once, and again when its target has expired', async () => {
    let leads = 0;
    const storage = await serveParts(({ index }) =>
      index === 1 ? (_, response) => response.writeHead(403).end() : broken(8 * MIB),
    );
    const server = await serve((_, response) => {
      leads += 1;
      response.writeHead(302, { location: `${storage.url}/x?signature=${leads}` }).end();
    });
    await expectWhole(await fetchFrom(server));
    expect(leads).toBe(2);
    expect(storage.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });
});

describe('when a server answers range requests incorrectly', () => {
  const wrong: Answer = ({ start, end }, response) => {
    const spoiled = Buffer.from(bytes.subarray(start, end));
    if (start === 0) spoiled.writeUInt8(spoiled.readUInt8(9) ^ 1, 9);
    response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${size}` }).end(spoiled);
  };

  it('one wrong byte leaves nothing, and the next run starts over', async () => {
    const store = new BlobStore(join(root, String(stores++)));
    const server = await serveParts(() => wrong);
    await expectCode(() => fetchFrom(server, store), 'source-mismatch');
    expect(await contents(store.root)).toEqual({});
    await expectWhole(await fetchFrom(await serveParts(() => stretch), store));
  });

  it('wrong bytes of an earlier run are downloaded again', async () => {
    const store = new BlobStore(join(root, String(stores++)));
    const stop = new AbortController();
    const first = await serveParts(({ index }) =>
      index === 0
        ? (asked, response, request) => {
            wrong({ ...asked, end: 9 * MIB }, response, request);
          }
        : () => stop.abort(),
    );
    await expectCode(() => fetchFrom(first, store, stop.signal), 'interrupted');
    await expectWhole(await fetchFrom(await serveParts(() => stretch), store));
  });

  it.each<[string, Answer, 'source-malformed' | 'source-mismatch']>([
    [
      'another range',
      (asked, response) =>
        response.writeHead(206, { 'content-range': `bytes 1-${asked.end - 1}/${size}` }).end('x'),
      'source-malformed',
    ],
    [
      'more than was asked for',
      (asked, response) =>
        response
          .writeHead(206, { 'content-range': `bytes ${asked.start}-${asked.end}/${size + 9}` })
          .end('x'),
      'source-malformed',
    ],
    [
      'another size',
      (_, response) =>
        response.writeHead(206, { 'content-range': 'bytes 0-8/9' }).end('x'.repeat(9)),
      'source-mismatch',
    ],
    [
      '416',
      (_, response) => response.writeHead(416, { 'content-range': 'bytes */5' }).end(),
      'source-mismatch',
    ],
  ])('%s is refused', async (_, answer, code) => {
    const server = await serveParts(() => answer);
    await expectCode(() => fetchFrom(server), code);
  });
});
