import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accumulate,
  coefficient,
  invert,
  invertMatrix,
  multiply,
  recoveryMatrix,
} from '../../src/parity/field.ts';

/** The product by shifting and reducing, bit by bit. */
function slowProduct(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product <<= 1;
    if (product > 255) product ^= 0x11d;
    if (((b >> bit) & 1) === 1) product ^= a;
  }
  return product;
}

const element = fc.integer({ min: 0, max: 255 });

describe('when elements of the field are multiplied', () => {
  it('equals bit-by-bit multiplication, for every pair', () => {
    for (let a = 0; a < 256; a++)
      for (let b = 0; b < 256; b++)
        if (multiply(a, b) !== slowProduct(a, b)) throw new Error(`${a} ${b}`);
  });

  it('has an inverse for every element but zero', () => {
    for (let a = 1; a < 256; a++) expect(multiply(a, invert(a))).toBe(1);
    expect(() => invert(0)).toThrow(RangeError);
  });
});

describe('when many bytes are multiplied at once', () => {
  it('equals byte-by-byte multiplication, at any length', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 70 }),
        fc.uint8Array({ maxLength: 70 }),
        element,
        (sum, input, factor) => {
          const expected = sum.map((value, at) => value ^ slowProduct(factor, input[at] ?? 0));
          const out = Uint8Array.from(sum);
          accumulate(out, Uint8Array.from(input), factor);
          expect(out).toEqual(expected);
        },
      ),
    );
  });
});

describe('when columns are lost', () => {
  it('has an inverse for every square submatrix, so any columns are recovered from as many rows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 128 }),
        fc.integer({ min: 1, max: 16 }),
        fc.integer(),
        (columns, rows, seed) => {
          const count = Math.min(columns, rows, 1 + (Math.abs(seed) % rows));
          const lost = pick(columns, count, seed);
          const kept = Array.from({ length: columns }, (_, at) => at).filter(
            (at) => !lost.includes(at),
          );
          const used = pick(rows, count, seed + 1);
          const data = Array.from({ length: columns }, (_, at) => (at * 73 + seed * 29) & 0xff);
          const sums = used.map((row) =>
            data.reduce((sum, value, at) => sum ^ multiply(coefficient(row, at), value), 0),
          );
          const known = [...kept.map((at) => data[at] ?? 0), ...sums];
          const found = recoveryMatrix(lost, kept, used).map((factors) =>
            factors.reduce((sum, factor, at) => sum ^ multiply(factor, known[at] ?? 0), 0),
          );
          expect(found).toEqual(lost.map((at) => data[at]));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses a singular matrix, and too few rows', () => {
    expect(() =>
      invertMatrix([
        [1, 2],
        [1, 2],
      ]),
    ).toThrow(RangeError);
    expect(() => recoveryMatrix([0, 1], [2], [0])).toThrow(RangeError);
  });
});

/** So many different numbers below a bound, that depend on the seed, ascending. */
function pick(bound: number, count: number, seed: number): number[] {
  const all = Array.from({ length: bound }, (_, at) => at);
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return all.splice(state % all.length, 1)[0] ?? 0;
  }).toSorted((a, b) => a - b);
}

describe('when the test vector of the reference is calculated', () => {
  const page = readFileSync(new URL('../../manifests/FORMATS.md', import.meta.url), 'utf8');
  const columns = [...(/^columns: (.*)$/m.exec(page)?.[1] ?? '').matchAll(/"([^"]*)"/g)].map(
    (match) => Buffer.from(match[1] ?? '', 'ascii'),
  );
  const rows = [...page.matchAll(/^row (\d+): K = ([0-9a-f ]+?) {2}([0-9a-f]+)$/gm)];

  it.each(rows.map((match) => match.slice(1)))('gives row %s', (row, factors, sum) => {
    expect(columns).toHaveLength(3);
    const used = columns.map((_, column) => coefficient(Number(row) - 1, column));
    expect(Buffer.from(used).toString('hex')).toBe(factors?.replaceAll(' ', ''));
    const found = new Uint8Array(8);
    columns.forEach((column, at) => {
      const padded = new Uint8Array(8);
      padded.set(column);
      accumulate(found, padded, used[at] ?? 0);
    });
    expect(Buffer.from(found).toString('hex')).toBe(sum);
  });
});
