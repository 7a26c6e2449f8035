import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Digest, digestHex, digestOf, sriOf } from '../../src/core/digest.ts';
import { CRC_SPAN_BYTES, DEFAULT_PART_BYTES } from '../../src/core/limits.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { NOTED_FROM_BYTES } from '../../src/io/noted-sums.ts';
import type { Expected } from '../../src/io/running-hashes.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let stores = 0;
const newStore = (): BlobStore => new BlobStore(join(root, String(stores++)));

const TEXT = Buffer.from('eleven byte');
const N = TEXT.length;
const DIGEST = digestOf(TEXT);
const expected: Expected = { key: 'k', size: N, digest: DIGEST };

/** A source of these bytes that notes the offsets asked for. */
function sourceOf(
  bytes: Buffer,
  chunk = 4,
): { offsets: number[]; from: (offset: number) => Promise<AsyncIterable<Uint8Array>> } {
  const offsets: number[] = [];
  return {
    offsets,
    from: async (offset) => {
      offsets.push(offset);
      return (async function* () {
        for (let at = offset; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
      })();
    },
  };
}

async function withPartial(bytes: Uint8Array): Promise<BlobStore> {
  const store = newStore();
  await mkdir(join(store.root, 'incoming'), { recursive: true });
  await writeFile(join(store.root, 'incoming', 'k.partial'), bytes);
  return store;
}

async function expectEmpty(store: BlobStore): Promise<void> {
  expect(Object.keys(await contents(store.root))).toEqual([]);
}

describe('when a blob is received', () => {
  it.each([0, 1, N - 1, N])('resumes after the first %i bytes', async (have) => {
    const store = await withPartial(TEXT.subarray(0, have));
    const { from, offsets } = sourceOf(TEXT);
    let counted = 0;
    const digest = await store.receive(expected, from, (bytes) => {
      counted += bytes;
    });
    expect(digest).toBe(DIGEST);
    expect(offsets).toEqual(have === N ? [] : [have]);
    expect(counted).toBe(N);
    expect(await store.read(DIGEST, N)).toEqual(TEXT);
    expect((await stat(store.path(DIGEST))).mode & 0o777).toBe(0o444);
    expect(await readdir(join(store.root, 'incoming'))).toEqual([]);
  });

  it.each([
    ['is longer than the blob', TEXT.length + 1, {}],
    ['may have changed since', 3, { resume: false }],
  ])('begins anew when what is there %s', async (_, have, more) => {
    const store = await withPartial(Buffer.alloc(have, 'x'));
    const { from, offsets } = sourceOf(TEXT);
    expect(await store.receive({ ...expected, ...more }, from)).toBe(DIGEST);
    expect(offsets).toEqual([0]);
  });

  it('starts again when the size is unknown', async () => {
    const store = await withPartial(TEXT.subarray(0, 3));
    const { from, offsets } = sourceOf(TEXT);
    expect(await store.receive({ key: 'k' }, from)).toBe(DIGEST);
    expect(offsets).toEqual([0]);
  });

  it.each<[string, Buffer, Partial<Expected>]>([
    ['other bytes', Buffer.from('other bytes'), {}],
    ['one bit flipped', Buffer.from('eleven bytd'), {}],
    ['one byte more', Buffer.concat([TEXT, Buffer.from('!')]), {}],
    ['many bytes more', Buffer.concat([TEXT, Buffer.alloc(100)]), {}],
    ['bytes of another size whose size is all that is known', Buffer.alloc(N + 1), { size: N }],
  ])('leaves nothing of %s', async (_, bytes, more) => {
    const store = newStore();
    let counted = 0;
    const receive = (): Promise<unknown> =>
      store.receive({ ...expected, ...more }, sourceOf(bytes).from, (amount) => {
        counted += amount;
      });
    await expectCode(receive, 'source-mismatch');
    expect(counted).toBe(0);
    await expectEmpty(store);
  });

  it('keeps nothing if the beginning was wrong', async () => {
    const store = await withPartial(Buffer.from('ELEVEN'));
    await expectCode(() => store.receive(expected, sourceOf(TEXT).from), 'source-mismatch');
    await expectEmpty(store);
    expect(await store.receive(expected, sourceOf(TEXT).from)).toBe(DIGEST);
  });

  it('stops a source that never ends', async () => {
    const store = newStore();
    let ended = false;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(4);
      } finally {
        ended = true;
      }
    };
    await expectCode(() => store.receive(expected, async () => endless()), 'source-mismatch');
    expect(ended).toBe(true);
    await expectEmpty(store);
  });

  it.each([0, 1, N - 1])('keeps the first %i bytes of a source that ends early', async (have) => {
    const store = newStore();
    const early = sourceOf(TEXT.subarray(0, have));
    await expectCode(() => store.receive(expected, early.from), 'source-unreachable');
    expect(await contents(store.root)).toEqual({
      'incoming/k.partial': TEXT.subarray(0, have).toString(),
    });
    const rest = sourceOf(TEXT);
    expect(await store.receive(expected, rest.from)).toBe(DIGEST);
    expect(rest.offsets).toEqual([have]);
  });

  it('keeps received bytes when the source fails, and throws its error', async () => {
    const store = newStore();
    const failure = new Error('line broke');
    const breaking = async function* (): AsyncGenerator<Uint8Array> {
      yield TEXT.subarray(0, 5);
      throw failure;
    };
    await expect(store.receive(expected, async () => breaking())).rejects.toBe(failure);
    expect(await contents(store.root)).toEqual({ 'incoming/k.partial': 'eleve' });
  });

  it('follows no link in place of the partial file', async () => {
    const store = newStore();
    await mkdir(join(store.root, 'incoming'), { recursive: true });
    await writeFile(join(store.root, 'victim'), 'precious');
    await symlink('../victim', join(store.root, 'incoming', 'k.partial'));
    await expectCode(() => store.receive(expected, sourceOf(TEXT).from), 'file-kind');
    expect(await readFile(join(store.root, 'victim'), 'utf8')).toBe('precious');
  });

  it('replaces a blob that was truncated on disk', async () => {
    const store = newStore();
    await mkdir(join(store.root, 'blobs/sha256'), { recursive: true });
    await writeFile(store.path(DIGEST), 'elev', { mode: 0o444 });
    await store.receive(expected, sourceOf(TEXT).from);
    expect(await store.read(DIGEST, N)).toEqual(TEXT);
  });

  it('accepts a blob that it already has', async () => {
    const store = newStore();
    for (let round = 0; round < 2; round++)
      expect(await store.receive(expected, sourceOf(TEXT).from)).toBe(DIGEST);
    expect(await readdir(join(store.root, 'incoming'))).toEqual([]);
  });
});

describe('when another hash is required', () => {
  const sha1 = { algorithm: 'sha1', prefix: `blob ${N}\0`, name: 'git blob' } as const;
  const oid = createHash('sha1').update(sha1.prefix).update(TEXT).digest('hex');

  it('accepts bytes that match it, also resumed ones', async () => {
    const store = await withPartial(TEXT.subarray(0, 4));
    const check = { ...sha1, expected: oid };
    expect(await store.receive({ key: 'k', size: N, check }, sourceOf(TEXT).from)).toBe(DIGEST);
  });

  it('keeps nothing of bytes that do not', async () => {
    const store = newStore();
    const check = { ...sha1, expected: '0'.repeat(40) };
    const error = await expectCode(
      () => store.receive({ key: 'k', size: N, check }, sourceOf(TEXT).from),
      'source-mismatch',
    );
    expect(error.found).toBe(`git blob ${oid}`);
    await expectEmpty(store);
  });
});

describe('when the sums of a blob are recorded', () => {
  const SMALL = NOTED_FROM_BYTES;
  const received = async (size: number): Promise<[BlobStore, Digest, Buffer]> => {
    const store = newStore();
    const bytes = Buffer.alloc(size, 'abcdefg');
    return [store, await store.receive({ key: 'k', size }, sourceOf(bytes, 1_000_003).from), bytes];
  };
  const noteOf = (store: BlobStore, digest: Digest): string =>
    join(store.root, 'sums', `${digestHex(digest)}.json`);

  const sizes = [SMALL + 1, CRC_SPAN_BYTES - 1, CRC_SPAN_BYTES, CRC_SPAN_BYTES + 1];
  it.each(sizes)('equal those of %i bytes hashed at once', async (size) => {
    const [store, digest, bytes] = await received(size);
    const spans = Array.from({ length: Math.ceil(size / CRC_SPAN_BYTES) }, (_, index) =>
      crc32(bytes.subarray(index * CRC_SPAN_BYTES, (index + 1) * CRC_SPAN_BYTES)),
    );
    expect(digest).toBe(digestOf(bytes));
    expect(await store.size(digest)).toBe(size);
    const crcs = spans.map((each) => each.toString(16).padStart(8, '0')).join('');
    expect(await store.noted({ digest, size })).toEqual({
      sums: { partSize: DEFAULT_PART_BYTES, parts: [{ sha512: sriOf(bytes), crc32: crcs }] },
      untouched: true,
    });
  });

  it.each([0, 1, SMALL])('has none for %i bytes, and writes none', async (size) => {
    const [store, digest] = await received(size);
    expect(await store.noted({ digest, size })).toBeUndefined();
    expect(Object.keys(await contents(store.root))).toHaveLength(1);
  });

  it('has none for a blob that was added in another way', async () => {
    const store = newStore();
    const digest = await store.put(Buffer.alloc(SMALL + 1));
    expect(await store.noted({ digest, size: SMALL + 1 })).toBeUndefined();
  });

  it('detects that the blob was written to, changed in mode, or replaced', async () => {
    const size = SMALL + 1;
    const touches: ((path: string) => Promise<unknown>)[] = [
      (path) => chmod(path, 0o600),
      (path) => writeFile(path, 'x', { flag: 'r+' }),
      (path) => utimes(path, new Date(), new Date()),
      async (path) => rename(path, `${path}.old`).then(() => copyFile(`${path}.old`, path)),
    ];
    for (const touch of touches) {
      const [store, digest] = await received(size);
      const place = store.path(digest);
      await touch(place);
      expect((await store.noted({ digest, size }))?.untouched, String(touch)).toBe(false);
    }
  });

  it.each([
    ['cut', (note: string) => note.slice(0, -1)],
    ['empty', () => ''],
    ['of zeros', (note: string) => note.replace(/./g, '\0')],
    ['of one other letter', (note: string) => note.replace('sha512-', 'sha512_')],
  ])('takes a note that is %s for none', async (_, damage) => {
    const [store, digest] = await received(SMALL + 1);
    const path = noteOf(store, digest);
    await writeFile(path, damage(await readFile(path, 'utf8')));
    expect(await store.noted({ digest, size: SMALL + 1 })).toBeUndefined();
  });
});

describe('when a blob is requested', () => {
  it('has no size if it is missing or not a file', async () => {
    const store = newStore();
    expect(await store.size(DIGEST)).toBeUndefined();
    await mkdir(store.path(DIGEST), { recursive: true });
    expect(await store.size(DIGEST)).toBeUndefined();
  });

  it('refuses a blob whose bytes changed', async () => {
    const store = newStore();
    await mkdir(join(store.root, 'blobs/sha256'), { recursive: true });
    await writeFile(store.path(DIGEST), 'eleven bytd');
    await expectCode(() => store.read(DIGEST, N), 'blob-damaged');
    await expectCode(() => store.read(DIGEST, N - 1), 'io-failed');
  });

  it('stores small bytes once, read-only', async () => {
    const store = newStore();
    expect(await store.put(TEXT)).toBe(DIGEST);
    expect(await store.put(TEXT)).toBe(DIGEST);
    expect(Object.keys(await contents(store.root))).toEqual([`blobs/sha256/${digestHex(DIGEST)}`]);
    expect((await stat(store.path(DIGEST))).mode & 0o777).toBe(0o444);
  });
});
