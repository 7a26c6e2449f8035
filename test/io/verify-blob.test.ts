import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { digestOf, sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import type { BlobSums } from '../../src/io/hash-task.ts';
import { HashPool } from '../../src/io/hashing.ts';
import { NOTED_FROM_BYTES } from '../../src/io/noted-sums.ts';
import { type ListedBlob, verifyBlob, verifyFile } from '../../src/io/verify-blob.ts';
import { flipBit } from '../support/flip-bit.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const pool = new HashPool(new AbortController().signal, 1);
let stores = 0;

afterAll(() => pool.close());

function sumsOf(bytes: Buffer): BlobSums {
  const crc = crc32(bytes).toString(16).padStart(8, '0');
  return { partSize: 0, parts: [{ sha512: sriOf(bytes), crc32: crc }] };
}

async function stored(size = NOTED_FROM_BYTES + 1): Promise<{
  readonly store: BlobStore;
  readonly blob: ListedBlob;
  readonly path: string;
}> {
  const bytes = Buffer.alloc(size, 'abc');
  const store = new BlobStore(join(root, String(stores++)));
  const blob = { digest: digestOf(bytes), size, sums: sumsOf(bytes) };
  const path = store.path(blob.digest);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return { store, blob, path };
}

describe('when a stored blob is verified', () => {
  it.each([0, 1, NOTED_FROM_BYTES, NOTED_FROM_BYTES + 1])('finds %i bytes intact', async (size) => {
    const { store, blob } = await stored(size);
    expect(await verifyBlob(store, blob, { pool })).toBe('intact');
  });

  it.each([
    ['one bit is flipped', 'damaged', (path: string) => flipBit(path, 7)],
    ['its last bit is flipped', 'damaged', (path: string) => flipBit(path, NOTED_FROM_BYTES)],
    ['it is shorter', 'damaged', (path: string) => truncateSync(path, NOTED_FROM_BYTES)],
    ['it is longer', 'damaged', (path: string) => truncateSync(path, NOTED_FROM_BYTES + 2)],
    ['it is gone', 'missing', (path: string) => rmSync(path)],
  ] as const)('says so when %s', async (_, verdict, damage) => {
    const { store, blob, path } = await stored();
    expect(await verifyBlob(store, blob, { pool })).toBe('intact');
    damage(path);
    expect(await verifyBlob(store, blob, { pool })).toBe(verdict);
    expect(await verifyBlob(store, blob, { pool, rehash: true })).toBe(verdict);
  });

  it('says so when the time of the change is put back', async () => {
    const { store, blob, path } = await stored();
    utimesSync(path, 1, 1);
    expect(await verifyBlob(store, blob, { pool })).toBe('intact');
    flipBit(path);
    utimesSync(path, 1, 1);
    expect(await verifyBlob(store, blob, { pool })).toBe('damaged');
  });

  it('reads it once, and again only when its file changed or it is told to', async () => {
    const { store, blob, path } = await stored();
    const read: (boolean | undefined)[] = [];
    const onBytes = (_: number, kept?: boolean): void => void read.push(kept);
    const run = async (rehash = false): Promise<boolean> => {
      read.length = 0;
      expect(await verifyBlob(store, blob, { pool, onBytes, rehash })).toBe('intact');
      return read.every((kept) => kept !== true);
    };
    expect([await run(), await run(), await run(true), await run()]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    writeFileSync(path, readFileSync(path));
    expect([await run(), await run()]).toEqual([true, false]);
  });

  it('does not see what a disk changes unless it is told to read', async () => {
    const { store, blob, path } = await stored();
    flipBit(path);
    // The mark of a file whose bytes changed below the file system.
    await store.note(blob, blob.sums as BlobSums);
    expect(await verifyBlob(store, blob, { pool })).toBe('intact');
    expect(await verifyBlob(store, blob, { pool, rehash: true })).toBe('damaged');
  });

  it('reads a small one each time', async () => {
    const { store, blob, path } = await stored(NOTED_FROM_BYTES);
    flipBit(path);
    await store.note(blob, blob.sums as BlobSums);
    expect(await verifyBlob(store, blob, { pool })).toBe('damaged');
  });

  it('reads one whose recorded sums are not those that its index lists', async () => {
    const { store, blob, path } = await stored();
    const bytes = readFileSync(path);
    flipBit(path);
    await store.note(blob, sumsOf(readFileSync(path)));
    expect(await verifyBlob(store, blob, { pool })).toBe('damaged');
    writeFileSync(path, bytes);
    expect(await verifyBlob(store, blob, { pool })).toBe('intact');
  });
});

describe('when hard links to a blob come and go', () => {
  it('is not read again for links of our own', async () => {
    const { store, blob, path } = await stored();
    await verifyBlob(store, blob, { pool });
    await store.linking([blob], async () => linkSync(path, `${path}.link`));
    expect((await store.noted(blob))?.untouched).toBe(true);
    await store.linking([blob], async () => rmSync(`${path}.link`));
    expect((await store.noted(blob))?.untouched).toBe(true);
    linkSync(path, `${path}.link`);
    expect((await store.noted(blob))?.untouched).toBe(false);
  });

  it('is read again when it was written to meanwhile', async () => {
    const { store, blob, path } = await stored();
    await verifyBlob(store, blob, { pool });
    await store.linking([blob], async () => {
      linkSync(path, `${path}.link`);
      flipBit(`${path}.link`);
    });
    expect(await verifyBlob(store, blob, { pool })).toBe('damaged');
  });

  it('is read again when it was damaged before', async () => {
    const { store, blob, path } = await stored();
    await verifyBlob(store, blob, { pool });
    flipBit(path);
    await store.linking([blob], async () => linkSync(path, `${path}.link`));
    expect(await verifyBlob(store, blob, { pool })).toBe('damaged');
  });
});

describe('when a file is verified by its SHA-512', () => {
  it.each([
    ['the signed file', 'intact', () => {}],
    ['one with a flipped bit', 'damaged', (path: string) => flipBit(path, 9)],
    ['a shorter one', 'damaged', (path: string) => truncateSync(path, 9)],
    ['a longer one', 'damaged', (path: string) => truncateSync(path, 11)],
    ['nothing', 'missing', (path: string) => rmSync(path)],
    [
      'a folder',
      'damaged',
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
    [
      'a link to the signed file',
      'damaged',
      (path: string) => {
        renameSync(path, `${path}.real`);
        symlinkSync(`${path}.real`, path);
      },
    ],
  ] as const)('finds %s %s', async (_, verdict, change) => {
    const bytes = Buffer.alloc(10, 'abc');
    const path = join(root, `file-${stores++}`);
    writeFileSync(path, bytes);
    change(path);
    expect(await verifyFile(path, { size: 10, sha512: sriOf(bytes) }, pool)).toBe(verdict);
  });

  it('holds no file in memory', async () => {
    const size = 96 * MIB;
    const path = join(root, `large-${stores++}`);
    writeFileSync(path, '');
    truncateSync(path, size);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 1);
    try {
      expect(await verifyFile(path, { size, sha512: sriOf(Buffer.alloc(0)) }, pool)).toBe(
        'damaged',
      );
    } finally {
      clearInterval(timer);
    }
    expect(most).toBeLessThan(16 * MIB);
  });
});
