import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
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
  for (let offset = from; offset <= to; offset += STEP) following.reached(offset);
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

  it('has the sums of a range that starts within the file', async () => {
    const range = newPool().followRange(path, 3 * STEP);
    range.reached(5 * STEP);
    expect(await range.finish(7 * STEP + 3)).toEqual(
      sumsOf(bytes.subarray(3 * STEP, 7 * STEP + 3)),
    );
  });

  it('can be dropped at any time, and goes on with the next file', async () => {
    const pool = newPool(STEP);
    const dropped = pool.follow(path);
    tell(dropped, STEP, 3 * STEP + 1);
    await dropped.drop();
    await pool.followRange(path, 0).drop();
    expect((await pool.follow(path).finish(STEP)).sums.parts).toHaveLength(1);
  });

  it('reports the error of the system when the file is truncated', async () => {
    const following = newPool(2 * STEP).follow(path);
    await expect(following.finish(bytes.length + 1)).rejects.toThrow('the file is shorter than');
    const gone = newPool().follow(join(root, 'gone'));
    await expect(gone.finish(1)).rejects.toMatchObject({ code: 'ENOENT' });
    const range = newPool().followRange(join(root, 'gone'), 0);
    await expect(range.finish(1)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
