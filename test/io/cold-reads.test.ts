import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { KIB, MIB } from '../../src/core/limits.ts';
import { BufferRing } from '../../src/io/buffer-ring.ts';
import { ColdReads } from '../../src/io/cold-reads.ts';
import { seededBytes } from '../lab/random.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const opened: number[] = [];

afterAll(() => {
  for (const file of opened) closeSync(file);
});

/** Takes everything for cold, or for hot. */
function readsOf(bytes: Buffer, coldMs: number): { reads: ColdReads; path: string } {
  const path = join(root, `file${opened.length}`);
  writeFileSync(path, bytes);
  const source = openSync(path, 'r');
  opened.push(source);
  return { reads: new ColdReads({ source, path }, coldMs), path };
}

const temperatures = [
  ['cold', -1],
  ['hot', Number.POSITIVE_INFINITY],
] as const;

describe.each(temperatures)('when a file is %s', (_, coldMs) => {
  it.each([
    ['whole blocks', 4 * MIB, 2 * MIB, 0],
    ['a file whose last block is not whole', 4 * MIB + 4711, 2 * MIB, 0],
    ['less than is read to find out', 1000, 2 * MIB, 0],
    ['small amounts', MIB + 1, 256 * KIB, 0],
    ['amounts that are no multiple of a block', MIB + 1, 100_001, 0],
    ['from an offset of whole blocks', 3 * MIB, MIB, 8 * KIB],
    ['from any other offset', 3 * MIB, MIB, 4097],
  ])('has its bytes: %s', async (__, size, want, from) => {
    const bytes = seededBytes(3, size);
    const { reads } = readsOf(bytes, coldMs);
    const ring = new BufferRing(2, 2 * MIB);
    for (let at = from; at < size; at += want) {
      const length = Math.min(want, size - at);
      const found = reads.fill(await ring.next(), length, at);
      expect(found.equals(bytes.subarray(at, at + length))).toBe(true);
    }
    reads.close();
  });

  it('says where a file ends that became shorter', async () => {
    const { reads, path } = readsOf(seededBytes(4, 2 * MIB), coldMs);
    const ring = new BufferRing(2, 2 * MIB);
    reads.fill(await ring.next(), MIB, 0);
    truncateSync(path, MIB + 10);
    const buffer = await ring.next();
    expect(() => reads.fill(buffer, MIB, MIB)).toThrow(
      expect.objectContaining({ code: 'ESHORT', message: `ends at byte ${MIB + 10}` }),
    );
    reads.close();
  });
});
