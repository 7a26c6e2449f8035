import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { sharedPages } from '../../src/core/shared-memory.ts';
import { BufferRing } from '../../src/io/buffer-ring.ts';
import { type Following, FollowPool } from '../../src/io/follow-pool.ts';
import type { PieceSums } from '../../src/io/hash-task.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const STEP = 4 * MIB;
const bytes = Buffer.concat([randomBytes(STEP), Buffer.alloc(17 * STEP, 'a pattern ')]);
const path = join(root, 'file');
writeFileSync(path, bytes);

function partsOf(whole: Buffer, partSize: number): Buffer[] {
  const count = Math.ceil(whole.length / partSize);
  return Array.from({ length: count }, (_, n) => whole.subarray(n * partSize, (n + 1) * partSize));
}

function sumsOf(part: Buffer): PieceSums {
  const crcs = partsOf(part, STEP).map((span) => crc32(span).toString(16).padStart(8, '0'));
  return { sha512: sriOf(part), crc32: crcs.join('') };
}

function newPool(partSize?: number): FollowPool {
  const pool = new FollowPool(partSize);
  onTestFinished(() => pool.close());
  return pool;
}

/** Tells of a file that is whole already, step by step, faster than any thread can hash. */
function tell(following: Following, from = STEP, to: number = bytes.length): void {
  for (let offset = from; offset <= to; offset += STEP) void following.reached(offset);
}

describe('when a file is hashed while it grows', () => {
  it.each([
    ['one part that is not full', 5 * STEP, 3 * STEP + 7],
    ['parts of which the last is full', 2 * STEP, 6 * STEP],
    ['parts of which the last is not full', 4 * STEP, 18 * STEP],
    ['a last part of one byte', STEP, 2 * STEP + 1],
    ['the whole file', 0, 18 * STEP],
  ])('has the sums of %s, however far the writer is ahead', async (_, partSize, size) => {
    const following = newPool(partSize).follow(path);
    tell(following, STEP, size);
    const { identity, sums } = await following.finish(size);
    const written = bytes.subarray(0, size);
    expect(identity.sha256).toBe(createHash('sha256').update(written).digest('hex'));
    expect(sums).toEqual({ partSize, parts: partsOf(written, partSize || size).map(sumsOf) });
  });

  it('has the sums of bytes of an earlier run, several parts at once', async () => {
    const following = newPool(STEP).follow(path);
    tell(following, 17 * STEP);
    const { sums } = await following.finish(bytes.length);
    expect(sums.parts).toEqual(partsOf(bytes, STEP).map(sumsOf));
  });

  it.each([
    ['parts of which the last is full', 2 * STEP, 6 * STEP],
    ['parts that end within the given bytes', STEP + 1, 5 * STEP + 7],
    ['the whole file', 0, 3 * STEP],
  ])(
    'has the sums of %s from bytes that it is given, not from the file',
    async (_, partSize, size) => {
      const other = Buffer.from(bytes.subarray(0, size)).fill('other', STEP);
      const following = newPool(partSize).follow(path);
      void following.reached(STEP);
      const block = Buffer.from(sharedPages(2 * STEP));
      for (let at = STEP; at < size; at += block.length) {
        const given = block.subarray(0, Math.min(block.length, size - at));
        given.set(other.subarray(at, at + given.length));
        await following.reached(at + given.length, given);
      }
      const { identity, sums } = await following.finish(size);
      expect(identity.sha256).toBe(createHash('sha256').update(other).digest('hex'));
      expect(sums).toEqual({ partSize, parts: partsOf(other, partSize || size).map(sumsOf) });
    },
  );

  it('can be dropped at any time, and goes on with the next file', async () => {
    const pool = newPool(STEP);
    const dropped = pool.follow(path);
    tell(dropped, STEP, 3 * STEP + 1);
    await dropped.drop();
    expect((await pool.follow(path).finish(STEP)).sums.parts).toHaveLength(1);
  });

  it('reports the error of the system when the file is truncated', async () => {
    const following = newPool(2 * STEP).follow(path);
    await expect(following.finish(bytes.length + 1)).rejects.toMatchObject({ code: 'ESHORT' });
    const gone = newPool().follow(join(root, 'gone'));
    await expect(gone.finish(1)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('when a file that grows cannot be hashed', () => {
  it('fails at once from then on, without reading it again, and in the end', async () => {
    const place = join(root, 'short');
    writeFileSync(place, bytes.subarray(0, STEP));
    const following = newPool(6 * STEP).follow(place);
    await expect(following.reached(2 * STEP)).rejects.toMatchObject({ code: 'ESHORT' });
    // Whole now, and too late: what is read once more would be hashed once more.
    writeFileSync(place, bytes);
    await expect(following.reached(3 * STEP)).rejects.toMatchObject({ code: 'ESHORT' });
    await expect(following.finish(bytes.length)).rejects.toMatchObject({ code: 'ESHORT' });
  });
});

describe('when a file that cannot be hashed is dropped', () => {
  it('ends without the error again, which who waited for a step has', async () => {
    const following = newPool().follow(join(root, 'gone'));
    await expect(following.reached(STEP)).rejects.toMatchObject({ code: 'ENOENT' });
    await following.drop();
  });
});

describe('when bytes that pass are hashed', () => {
  it.each([0, 1, STEP, 3 * STEP + 7])(
    'has the hash of %i bytes, in blocks used in rotation',
    async (size) => {
      const pool = newPool();
      const ring = new BufferRing(2, STEP);
      // Two at once, whose blocks alternate.
      const hashes = [pool.hash(), pool.hash()];
      for (const piece of partsOf(bytes.subarray(0, size), STEP)) {
        for (const hash of hashes) {
          const block = (await ring.next()).subarray(0, piece.length);
          block.set(piece);
          ring.use(hash.update(block));
        }
      }
      const expected = sriOf(bytes.subarray(0, size));
      expect(await Promise.all(hashes.map((hash) => hash.finish()))).toEqual([expected, expected]);
    },
  );

  it('gives a thread the memory itself, without a copy', async () => {
    const hash = newPool().hash();
    const block = await new BufferRing(1, STEP).next();
    block.fill('before');
    const hashed = hash.update(block);
    expect(block.buffer).toBeInstanceOf(SharedArrayBuffer);
    await hashed;
    block.fill('after');
    await hash.update(block);
    const both = Buffer.concat([Buffer.alloc(STEP, 'before'), Buffer.alloc(STEP, 'after')]);
    expect(await hash.finish()).toBe(sriOf(both));
  });

  it('can be dropped at any time, and goes on with the next', async () => {
    const pool = newPool();
    const dropped = pool.hash();
    void dropped.update(await new BufferRing(1, STEP).next());
    await dropped.drop();
    await pool.hash().drop();
    expect(await pool.hash().finish()).toBe(sriOf(Buffer.alloc(0)));
  });
});
