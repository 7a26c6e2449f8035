import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { type Following, FollowPool } from '../../src/io/follow-pool.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const STEP = 4 * MIB;
const bytes = Buffer.concat([randomBytes(STEP), Buffer.alloc(17 * STEP, 'a pattern ')]);
const path = join(root, 'file');
writeFileSync(path, bytes);
const sha256 = createHash('sha256').update(bytes).digest('hex');

function newPool(): FollowPool {
  const pool = new FollowPool();
  onTestFinished(() => pool.close());
  return pool;
}

/** Tells of a file that is whole already, step by step, faster than any thread can hash. */
function tell(following: Following, from = STEP, to: number = bytes.length): void {
  for (let offset = from; offset <= to; offset += STEP) following.reached(offset);
}

describe('when a file is hashed while it grows', () => {
  it('has the sums if the writer is at most 64 MiB ahead', async () => {
    const following = newPool().follow(path);
    const part = bytes.subarray(0, 16 * STEP);
    tell(following, STEP, part.length);
    const { identity, sums } = await following.finish(part.length);
    expect(identity.sha256).toBe(createHash('sha256').update(part).digest('hex'));
    expect(sums?.parts.map(({ sha512 }) => sha512)).toEqual([sriOf(part)]);
  });

  it('skips them if the network is faster, also for later files, and still gives the identity', async () => {
    const pool = newPool();
    const fast = pool.follow(path);
    tell(fast);
    const found = await fast.finish(bytes.length);
    expect(found).toEqual({ identity: { sha256 }, sums: undefined });
    const next = pool.follow(path);
    tell(next, STEP, STEP);
    expect((await next.finish(STEP)).sums).toBeUndefined();
  });

  it('adds up how far several files are ahead', async () => {
    const pool = newPool();
    const files = [pool.follow(path), pool.follow(path), pool.follow(path)];
    for (const each of files) tell(each, STEP, 8 * STEP);
    const found = await Promise.all(files.map((each) => each.finish(8 * STEP)));
    expect(found.some(({ sums }) => sums === undefined)).toBe(true);
  });

  it('does not count bytes of an earlier run', async () => {
    const following = newPool().follow(path);
    tell(following, 17 * STEP);
    expect((await following.finish(bytes.length)).sums?.parts).toHaveLength(1);
  });

  it('reports the error of the system when the file is truncated', async () => {
    const following = newPool().follow(path);
    await expect(following.finish(bytes.length + 1)).rejects.toThrow('the file is shorter than');
    const gone = newPool().follow(join(root, 'gone'));
    await expect(gone.finish(1)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
