import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { FollowPool, hashHere } from '../../src/io/follow-pool.ts';
import { TrailingHash } from '../../src/io/trailing-hash.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const PIECE = 65_536;
const OFFSET = 3;
const PIECES = 12;
const bytes = randomBytes(PIECES * PIECE - 7);
const pieces = Array.from({ length: PIECES }, (_, n) => bytes.subarray(n * PIECE, (n + 1) * PIECE));

function newPool(): FollowPool {
  const pool = new FollowPool();
  onTestFinished(() => pool.close());
  return pool;
}

/** A file that gets pieces at an offset, each when the test says so. */
function slowFile(name: string) {
  const path = join(root, name);
  writeFileSync(path, 'abc');
  const waiting: { readonly write: () => void; readonly fail: () => void }[] = [];
  let size = 0;
  const write = (piece: Buffer): Promise<void> => {
    const position = OFFSET + size;
    size += piece.length;
    return new Promise((resolve, reject) => {
      waiting.push({
        write: () => {
          const file = openSync(path, 'r+');
          writeSync(file, piece, 0, piece.length, position);
          closeSync(file);
          resolve();
        },
        fail: () => reject(new Error('the disk is full')),
      });
    });
  };
  return { path, waiting, write };
}

describe('when bytes are hashed that are written meanwhile', () => {
  it.each([
    ['in order', (_: number, index: number) => index],
    ['in the opposite order', (length: number, index: number) => length - 1 - index],
  ])('has their hash although no thread keeps up, with writes that end %s', async (_, at) => {
    const file = slowFile('late');
    const hash = new TrailingHash(newPool().hash(), { path: file.path, offset: OFFSET });
    for (const piece of pieces) void hash.add(piece, file.write(piece));
    const found = hash.finish();
    for (const index of file.waiting.keys()) file.waiting[at(PIECES, index)]?.write();
    expect(await found).toBe(sriOf(bytes));
  });

  it('frees a piece as soon as it is written, once its thread is behind', async () => {
    const file = slowFile('behind');
    const pool = newPool();
    const stuck = pool.hash();
    // Its thread gets to nothing else before.
    const hash = new TrailingHash(
      { ...stuck, update: () => new Promise(() => {}) },
      { path: file.path, offset: OFFSET },
    );
    const free = pieces.map((piece) => hash.add(piece, file.write(piece)));
    for (const { write } of file.waiting) write();
    expect(await free.at(-1)).toBeUndefined();
    await hash.drop();
  });

  it.each([
    ['hashed in another thread', () => newPool().hash()],
    ['hashed in this one', hashHere],
  ])('has the hash of bytes that are only %s', async (_, newHash) => {
    const hash = new TrailingHash(newHash());
    for (const piece of pieces) await hash.add(piece, undefined);
    expect(await hash.finish()).toBe(sriOf(bytes));
  });

  it.each([0, PIECES - 1])('fails as the write of piece %i does', async (index) => {
    const file = slowFile(`full-${index}`);
    const hash = new TrailingHash(newPool().hash(), { path: file.path, offset: OFFSET });
    for (const piece of pieces) hash.add(piece, file.write(piece)).catch(() => {});
    const found = hash.finish();
    for (const [at, { write, fail }] of file.waiting.entries()) (at === index ? fail : write)();
    await expect(found).rejects.toThrow('the disk is full');
  });

  it('hashes what is in the file, not what was to be written', async () => {
    const file = slowFile('changed');
    const hash = new TrailingHash(newPool().hash(), { path: file.path, offset: OFFSET });
    for (const piece of pieces) void hash.add(piece, file.write(piece));
    for (const { write } of file.waiting.slice(0, -1)) write();
    const found = hash.finish();
    const last = pieces.at(-1) as Buffer;
    last[0] = (last[0] as number) ^ 1;
    file.waiting.at(-1)?.write();
    expect(await found).toBe(sriOf(bytes));
  });

  it('can be dropped while writes are running', async () => {
    const file = slowFile('dropped');
    const pool = newPool();
    const hash = new TrailingHash(pool.hash(), { path: file.path, offset: OFFSET });
    for (const piece of pieces) void hash.add(piece, file.write(piece));
    const dropped = hash.drop();
    for (const { write } of file.waiting) write();
    await dropped;
    expect(await pool.hash().finish()).toBe(sriOf(Buffer.alloc(0)));
  });
});
