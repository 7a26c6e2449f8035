import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { HashPool } from '../../src/io/hashing.ts';
import { coefficient, recoveryMatrix } from '../../src/parity/field.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder(true);
const pool = new HashPool(new AbortController().signal);
afterAll(() => pool.close());

/** Bytes that differ by seed. */
function filled(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * (2 * seed + 1) + (at >> 8) * 7 + seed) & 0xff;
  return bytes;
}

function write(bytes: Buffer, name: string): string {
  const path = join(scratch.root, name);
  writeFileSync(path, bytes);
  return path;
}

describe('when columns are coded', () => {
  const sizes = [4 * MIB + 3, 5 * MIB + 1, 0, 17];
  const columns = sizes.map((size, seed) => filled(size, seed));
  const length = Math.max(...sizes);

  it('writes rows with their sums and recovers lost columns, across files and odd boundaries', async () => {
    const paths = columns.map((bytes, at) => [
      write(bytes.subarray(0, 1000), `${at}-a`),
      write(bytes.subarray(1000), `${at}-b`),
    ]);
    const inputs = paths.map(([a = '', b = ''], at) => {
      const cut = Math.min(1000, sizes[at] ?? 0);
      return {
        segments: [
          { path: a, offset: 0, length: cut },
          { path: b, offset: 0, length: (sizes[at] ?? 0) - cut },
        ],
        factors: [coefficient(0, at), coefficient(1, at)],
      };
    });
    const rows = [0, 1].map((row) => join(scratch.root, `row-${row}`));
    const outputs = rows.map((path) => ({ segments: [{ path, offset: 0, length }], create: true }));
    const sums = await pool.code({ length, inputs, outputs });
    rows.forEach((path, at) => {
      const bytes = readFileSync(path);
      expect(sums[at]?.sha512).toBe(sriOf(bytes));
      const spans = [bytes.subarray(0, 4 * MIB), bytes.subarray(4 * MIB)];
      const crcs = spans.map((span) => crc32(span).toString(16).padStart(8, '0')).join('');
      expect(sums[at]?.crc32).toBe(crcs);
    });

    const matrix = recoveryMatrix([0, 1], [2, 3], [0, 1]);
    const back = ['back-0a', 'back-0b', 'back-1'].map((name, at) =>
      write(Buffer.alloc([1, (sizes[0] ?? 0) - 1, sizes[1] ?? 0][at] ?? 0), name),
    );
    const known = [
      ...[2, 3].map((column) => inputs[column]?.segments ?? []),
      ...rows.map((path) => [{ path, offset: 0, length }]),
    ];
    await pool.code({
      length,
      inputs: known.map((segments, at) => ({
        segments,
        factors: matrix.map((factors) => factors[at] ?? 0),
      })),
      outputs: [
        {
          segments: [
            { path: back[0] ?? '', offset: 0, length: 1 },
            { path: back[1] ?? '', offset: 0, length: (sizes[0] ?? 0) - 1 },
          ],
          create: false,
        },
        { segments: [{ path: back[2] ?? '', offset: 0, length: sizes[1] ?? 0 }], create: false },
      ],
    });
    const read = back.map((path) => readFileSync(path));
    expect(Buffer.concat(read.slice(0, 2)).equals(columns[0] ?? Buffer.alloc(0))).toBe(true);
    expect(read[2]?.equals(columns[1] ?? Buffer.alloc(0))).toBe(true);
  });

  it('names the file that is too short', async () => {
    const path = write(filled(100, 1), 'short');
    const output = join(scratch.root, 'never');
    const task = {
      length: 200,
      inputs: [{ segments: [{ path, offset: 0, length: 200 }], factors: [1] }],
      outputs: [{ segments: [{ path: output, offset: 0, length: 200 }], create: true }],
    };
    await expect(pool.code(task)).rejects.toMatchObject({ code: 'ESHORT', path });
  });
});
