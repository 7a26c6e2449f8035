import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { truncateSync } from 'node:fs';
import { chmod, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { CRC_SPAN_BYTES } from '../../src/core/limits.ts';
import { passBuffers, runPass } from '../../src/io/hash-pass.ts';
import type { HashTask, PieceSums } from '../../src/io/hash-task.ts';
import { HashPool } from '../../src/io/hashing.ts';
import { PassError } from '../../src/io/positioned.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let files = 0;
const fresh = (): string => join(root, String(files++));
const buffers = passBuffers();
const SPAN = CRC_SPAN_BYTES;

async function fileOf(size: number): Promise<{ path: string; bytes: Buffer }> {
  const bytes = Buffer.alloc(size, 'the quick brown fox ');
  const path = fresh();
  await writeFile(path, bytes);
  return { path, bytes };
}

const whole = (path: string, size: number, more: Partial<HashTask> = {}): HashTask => ({
  path,
  size,
  offset: 0,
  pieces: [{ length: size }],
  hashes: ['sha256', 'sha512', 'crc32'],
  ...more,
});

function sumsOf(bytes: Buffer): PieceSums {
  let crcs = '';
  for (let at = 0; at < bytes.length; at += SPAN)
    crcs += crc32(bytes.subarray(at, at + SPAN))
      .toString(16)
      .padStart(8, '0');
  return { sha512: sriOf(bytes), crc32: crcs };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const pass = (task: HashTask): ReturnType<typeof runPass> => runPass(task, buffers, () => {});

async function failureOf(run: () => Promise<unknown>): Promise<PassError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof PassError) return error;
    throw error;
  }
  throw new Error('nothing failed');
}

describe('when a destination may be a clone', () => {
  it.each([1, SPAN + 1])(
    'writes %i bytes with their mode, whether or not the file system clones',
    async (size) => {
      const { path, bytes } = await fileOf(size);
      await chmod(path, 0o444);
      const destination = { path: fresh(), offset: 0, create: true, clone: true };
      const task = whole(path, size, { pieces: [{ length: size, destination }] });
      expect((await pass(task)).pieces).toEqual([sumsOf(bytes)]);
      expect((await readFile(destination.path)).equals(bytes)).toBe(true);
      expect((await stat(destination.path)).mode & 0o777).toBe(0o644);
      expect((await failureOf(() => pass(task))).code).toBe('EEXIST');
    },
  );
});

describe('when a file is hashed', () => {
  it.each([0, 1, SPAN - 1, SPAN, SPAN + 1])('computes the hashes of %i bytes', async (size) => {
    const { path, bytes } = await fileOf(size);
    let progress = 0;
    const result = await runPass(whole(path, size), buffers, (amount) => {
      progress += amount;
    });
    expect(result).toEqual({ sha256: sha256(bytes), pieces: [sumsOf(bytes)] });
    expect(progress).toBe(size);
  });

  it.each([[[1, SPAN, 5]], [[SPAN, 6]], [[0, 3, 0, SPAN + 3]], [[SPAN + 6]]])(
    'hashes pieces of %j each by itself',
    async (lengths) => {
      const { path, bytes } = await fileOf(SPAN + 6);
      const result = await pass(
        whole(path, bytes.length, { pieces: lengths.map((length) => ({ length })) }),
      );
      const expected = lengths.map((length, index) => {
        const start = lengths.slice(0, index).reduce((sum, each) => sum + each, 0);
        return sumsOf(bytes.subarray(start, start + length));
      });
      expect(result).toEqual({ sha256: sha256(bytes), pieces: expected });
    },
  );

  it('starts at the given offset, and computes only the requested hashes', async () => {
    const { path, bytes } = await fileOf(100);
    const task = whole(path, 100, {
      offset: 40,
      pieces: [{ length: 20 }],
      hashes: ['sha512'],
    });
    const { sha512 } = sumsOf(bytes.subarray(40, 60));
    expect(await pass(task)).toEqual({ pieces: [{ sha512 }] });
  });

  it('writes what it hashed to the destination', async () => {
    const { path, bytes } = await fileOf(SPAN + 10);
    const made = fresh();
    const existing = fresh();
    await writeFile(existing, '....');
    await pass(
      whole(path, bytes.length, {
        pieces: [
          { length: SPAN + 2, destination: { path: made, offset: 0, create: true } },
          { length: 8, destination: { path: existing, offset: 2, create: false } },
        ],
      }),
    );
    expect((await readFile(made)).equals(bytes.subarray(0, SPAN + 2))).toBe(true);
    expect(await readFile(existing, 'latin1')).toBe(`..${bytes.subarray(SPAN + 2).toString()}`);
  });
});

describe('when a pass is impossible', () => {
  it.each([
    ['shorter', 9],
    ['longer', 11],
    ['empty', 0],
  ])('refuses a file that is %s than it should be', async (_, size) => {
    const { path } = await fileOf(size);
    expect(await failureOf(() => pass(whole(path, 10)))).toMatchObject({ code: 'ESIZE', path });
  });

  it('refuses a pipe, a folder, a device and a link immediately', async () => {
    const pipe = fresh();
    execFileSync('mkfifo', [pipe]);
    const link = fresh();
    await symlink((await fileOf(0)).path, link);
    const failures = await Promise.all(
      [pipe, root, '/dev/zero', link].map((path) => failureOf(() => pass(whole(path, 0)))),
    );
    expect(failures.map(({ code }) => code)).toEqual(['EKIND', 'EKIND', 'EKIND', 'ELOOP']);
  });

  it('refuses a missing file', async () => {
    expect((await failureOf(() => pass(whole(fresh(), 0)))).code).toBe('ENOENT');
  });

  it('refuses pieces beyond the end, and a file that shrinks while it is read', async () => {
    const { path } = await fileOf(10);
    const beyond = whole(path, 10, { pieces: [{ length: 11 }] });
    expect((await failureOf(() => pass(beyond))).code).toBe('ESHORT');
    const shrinking = await fileOf(2 * SPAN);
    const failure = await failureOf(() =>
      runPass(whole(shrinking.path, 2 * SPAN), buffers, () => truncateSync(shrinking.path, SPAN)),
    );
    expect(failure).toMatchObject({ code: 'ESHORT', path: shrinking.path });
  });

  it('names the destination when the disk is full', async () => {
    const { path } = await fileOf(10);
    const destination = { path: '/dev/full', offset: 0, create: false };
    const full = whole(path, 10, { pieces: [{ length: 10, destination }] });
    expect(await failureOf(() => pass(full))).toMatchObject({ code: 'ENOSPC', path: '/dev/full' });
  });

  it.each([true, false])(
    'writes through no link, whether a file is to be made: %s',
    async (create) => {
      const { path } = await fileOf(10);
      const victim = await fileOf(3);
      const link = fresh();
      await symlink(victim.path, link);
      const destination = { path: link, offset: 0, create };
      const task = whole(path, 10, { pieces: [{ length: 10, destination }] });
      expect((await failureOf(() => pass(task))).code).toBe(create ? 'EEXIST' : 'ELOOP');
      expect(await readFile(victim.path)).toEqual(victim.bytes);
    },
  );
});

describe('when a pool works', () => {
  const pools: HashPool[] = [];
  const controller = (): { pool: HashPool; abort: () => void } => {
    const stop = new AbortController();
    const pool = new HashPool(stop.signal, 2);
    pools.push(pool);
    return { pool, abort: () => stop.abort() };
  };
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.close()));
  });

  it('gives the results of a pass on this thread, for more tasks than workers', async () => {
    const { pool } = controller();
    const inputs = await Promise.all([0, 1, 1000, SPAN, SPAN + 1].map(fileOf));
    let progress = 0;
    const results = await Promise.all(
      inputs.map(({ path, bytes }) =>
        pool.run(whole(path, bytes.length), (amount) => {
          progress += amount;
        }),
      ),
    );
    expect(results).toEqual(
      await Promise.all(inputs.map(({ path, bytes }) => pass(whole(path, bytes.length)))),
    );
    expect(progress).toBe(inputs.reduce((sum, { bytes }) => sum + bytes.length, 0));
  });

  it('reports an error, takes back its progress, and continues', async () => {
    const { pool } = controller();
    const { path, bytes } = await fileOf(10);
    const failing = whole(path, 10, { pieces: [{ length: 10 }, { length: 1 }] });
    let progress = 0;
    const run = pool.run(failing, (amount) => {
      progress += amount;
    });
    await expect(run).rejects.toMatchObject({ code: 'ESHORT', path });
    expect(progress).toBe(0);
    expect((await pool.run(whole(path, 10))).sha256).toBe(sha256(bytes));
  });

  it('can be interrupted: every task rejects and nothing is written afterwards', async () => {
    const { pool, abort } = controller();
    const path = fresh();
    const size = 2 ** 40;
    await writeFile(path, '');
    await truncate(path, size);
    const out = fresh();
    const started = Promise.withResolvers<void>();
    const destination = { path: out, offset: 0, create: true };
    const copy = whole(path, size, { pieces: [{ length: size, destination }] });
    const runs = [
      pool.run(copy, () => started.resolve()),
      pool.run(whole(path, size)),
      pool.run(whole(path, size)),
    ];
    const outcomes = Promise.all(runs.map((run) => expectCode(() => run, 'interrupted')));
    await started.promise;
    abort();
    await outcomes;
    await pool.close();
    const { size: before } = await stat(out);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await stat(out)).size).toBe(before);
    expect(before).toBeGreaterThan(0);
    await expectCode(() => pool.run(whole(path, size)), 'interrupted');
  });

  it('works the same with the workers of earlier pools, one of them aborted', async () => {
    const { path, bytes } = await fileOf(10);
    for (const [n, end] of ['close', 'abort', 'close', 'abort', 'close'].entries()) {
      const { pool, abort } = controller();
      let progress = 0;
      const count = (amount: number): void => {
        progress += amount;
      };
      const runs = [1, 2, 3].map(() => pool.run(whole(path, 10), count));
      for (const { sha256: found } of await Promise.all(runs)) expect(found).toBe(sha256(bytes));
      expect(progress, `pool ${n}`).toBe(30);
      if (end === 'abort') abort();
      await pool.close();
    }
  });

  it('runs nothing if the signal is already aborted', async () => {
    const pool = new HashPool(AbortSignal.abort(), 1);
    await expectCode(() => pool.run(whole('/gone', 0)), 'interrupted');
    await pool.close();
  });

  it('runs nothing after it was closed', async () => {
    const { pool } = controller();
    await pool.close();
    await expect(pool.run(whole('/gone', 0))).rejects.toThrow('closed');
  });
});
