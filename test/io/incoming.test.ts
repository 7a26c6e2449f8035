import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { sharedPages } from '../../src/core/shared-memory.ts';
import { FollowPool } from '../../src/io/follow-pool.ts';
import type { BlobSums } from '../../src/io/hash-task.ts';
import { Incoming, incomingPaths, type SizedExpected } from '../../src/io/incoming.ts';
import { seededBytes } from '../lab/random.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let folders = 0;
const PART = 6 * MIB;
const bytes = seededBytes(3, 13 * MIB + 777);
const size = bytes.length;
const expected: SizedExpected = { key: 'k', size };

/** A piece of the file as a socket reads it: page-aligned in shared memory, unless told otherwise. */
function arrived(start: number, end: number, place = 0): Uint8Array {
  const pages = Math.ceil((end - start + place) / (64 * 1024));
  const chunk = Buffer.from(sharedPages(pages * 64 * 1024)).subarray(place, place + end - start);
  chunk.set(bytes.subarray(start, end));
  return chunk;
}

async function open(folder: string, uncached = true): Promise<Incoming> {
  const pool = new FollowPool(PART);
  onTestFinished(() => pool.close());
  return Incoming.open(folder, expected, pool, { uncached });
}

function newFolder(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

function expectSums({ partSize, parts }: BlobSums): void {
  const sums = [0, 1, 2].map((n) => sriOf(bytes.subarray(n * PART, (n + 1) * PART)));
  expect([partSize, parts.map(({ sha512 }) => sha512)]).toEqual([PART, sums]);
}

async function expectWhole(folder: string, incoming: Incoming): Promise<void> {
  const { digest, sums } = await incoming.finish();
  expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  expectSums(sums);
  await incoming.close();
  expect((await readFile(incomingPaths(folder, 'k').partial)).equals(bytes)).toBe(true);
}

describe('when a blob is received in memory that threads share', () => {
  it.each([
    ['in whole pages', MIB, 0, true],
    ['in whole pages, through the page cache', MIB, 0, false],
    ['in pieces that are no whole pages', MIB - 77, 0, true],
    ['at other places of a page than in the file', MIB, 512, true],
  ])('is written and hashed in order, %s', async (_, step, place, uncached) => {
    const folder = newFolder();
    const incoming = await open(folder, uncached);
    const done: Uint8Array[] = [];
    const given: Uint8Array[] = [];
    for (let at = 0; at < size; at += step) {
      const chunk = arrived(at, Math.min(size, at + step), place);
      given.push(chunk);
      await incoming.write(at, [chunk], (each) => done.push(each));
    }
    await expectWhole(folder, incoming);
    expect([done.length, given.every((each) => done.includes(each))]).toEqual([given.length, true]);
  });

  it('may be used again only when it is hashed: what comes next does not change the sums', async () => {
    const folder = newFolder();
    const incoming = await open(folder);
    for (let at = 0; at < size; at += MIB) {
      const chunk = arrived(at, Math.min(size, at + MIB));
      await incoming.write(at, [chunk], (each) => each.fill(0xff));
    }
    await expectWhole(folder, incoming);
  });

  it('is read back where it came too early, and in memory that threads do not share', async () => {
    const folder = newFolder();
    const incoming = await open(folder);
    const clear = (each: Uint8Array): void => void each.fill(0);
    await incoming.write(5 * MIB, [arrived(5 * MIB, 9 * MIB)], clear);
    await incoming.write(0, [arrived(0, MIB), arrived(MIB, 5 * MIB)], clear);
    await incoming.write(9 * MIB, [Buffer.from(bytes.subarray(9 * MIB, 11 * MIB + 1))], clear);
    await incoming.write(11 * MIB + 1, [arrived(11 * MIB + 1, size, 1)], clear);
    expect(incoming.missing).toEqual([]);
    await expectWhole(folder, incoming);
  });

  it('goes on after an interruption, whose bytes are read from disk and hashed again', async () => {
    const folder = newFolder();
    const first = await open(folder);
    await first.write(0, [arrived(0, 7 * MIB + 5)]);
    await first.close();
    const second = await open(folder);
    expect(second.resumed).toBe(7 * MIB + 5);
    await second.write(7 * MIB + 5, [arrived(7 * MIB + 5, size, 5)]);
    await expectWhole(folder, second);
  });

  it('is refused when the bytes on disk of an interrupted run were changed', async () => {
    const folder = newFolder();
    const first = await open(folder);
    await first.write(0, [arrived(0, 7 * MIB)]);
    await first.close();
    const { partial } = incomingPaths(folder, 'k');
    await truncate(partial, 6 * MIB);
    await truncate(partial, 7 * MIB);
    const second = await open(folder);
    await second.write(7 * MIB, [arrived(7 * MIB, size)]);
    const { digest } = await second.finish();
    await second.close();
    expect(digest).not.toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  });
});
