/**
 * Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and the generator 2, as in RAID-6 and
 * QR codes. Elements are integers from 0 to 255; addition is exclusive or.
 */

const POLYNOMIAL = 0x11d;
const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);

for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = value;
  EXP[power + 255] = value;
  LOG[value] = power;
  value <<= 1;
  if (value > 255) value ^= POLYNOMIAL;
}

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return EXP[(LOG[a] ?? 0) + (LOG[b] ?? 0)] ?? 0;
}

/** The multiplicative inverse. @throws RangeError for zero */
export function invert(a: number): number {
  if (a === 0) throw new RangeError('zero has no inverse');
  return EXP[255 - (LOG[a] ?? 0)] ?? 0;
}

/** Rows of equal length, of elements of GF(2^8). */
export type Matrix = readonly (readonly number[])[];

/**
 * The coefficient of a data column in a recovery row: 1 / ((255 - row) + column). If there are at most 256 columns and
 * rows together, the two sets of elements are disjoint, and every square submatrix of this Cauchy matrix is invertible:
 * any columns can be computed from the others and as many rows.
 */
export function coefficient(row: number, column: number): number {
  return invert((255 - row) ^ column);
}

/**
 * The matrix that recovers lost columns: a row for each of `lost`, with a coefficient for each of `kept` and then for
 * each of `rows`, of which there are as many as lost columns.
 * @param kept available data columns
 * @param rows available recovery rows
 */
export function recoveryMatrix(
  lost: readonly number[],
  kept: readonly number[],
  rows: readonly number[],
): Matrix {
  if (rows.length !== lost.length)
    throw new RangeError('there must be as many rows as lost columns');
  // row = sum(kept) + sum(lost), so that sum(lost) = row + sum(kept): addition is its own inverse.
  const inverse = invertMatrix(rows.map((row) => lost.map((column) => coefficient(row, column))));
  const known = rows.map((row) => kept.map((column) => coefficient(row, column)));
  return inverse.map((factors) => [
    ...kept.map((_, column) =>
      factors.reduce((sum, factor, row) => sum ^ multiply(factor, known[row]?.[column] ?? 0), 0),
    ),
    ...factors,
  ]);
}

/** The inverse of a square matrix, by Gauss-Jordan elimination. @throws RangeError for a singular matrix */
export function invertMatrix(matrix: Matrix): Matrix {
  const size = matrix.length;
  const work = matrix.map((row, at) => [
    ...row,
    ...row.map((_, column) => (column === at ? 1 : 0)),
  ]);
  for (let column = 0; column < size; column++) {
    const pivot = work.findIndex((row, at) => at >= column && row[column] !== 0);
    const chosen = work[pivot];
    const current = work[column];
    if (chosen === undefined || current === undefined) throw new RangeError('a singular matrix');
    work[pivot] = current;
    const factor = invert(chosen[column] ?? 0);
    const scaled = chosen.map((value) => multiply(value, factor));
    work[column] = scaled;
    work.forEach((row, at) => {
      const by = row[column] ?? 0;
      if (at === column || by === 0) return;
      work[at] = row.map((value, index) => value ^ multiply(by, scaled[index] ?? 0));
    });
  }
  return work.map((row) => row.slice(size));
}

// Tables of products of two bytes: 128 KiB for each factor in use, 32 MiB at most.
const TABLES: (Uint16Array | undefined)[] = [];

/**
 * Adds `factor` times `input` to `sum`, byte by byte in GF(2^8). Both must be aligned to 4 bytes; if `input` is shorter
 * than `sum`, it is padded with zeros.
 */
export function accumulate(sum: Uint8Array, input: Uint8Array, factor: number): void {
  if (factor === 0) return;
  const length = Math.min(sum.length, input.length);
  const words = length >> 2;
  const out = new Uint32Array(sum.buffer, sum.byteOffset, words);
  const from = new Uint32Array(input.buffer, input.byteOffset, words);
  if (factor === 1) {
    for (let at = 0; at < words; at++) out[at] = (out[at] as number) ^ (from[at] as number);
  } else {
    const table = tableOf(factor);
    for (let at = 0; at < words; at++) {
      const value = from[at] as number;
      const low = table[value & 0xffff] as number;
      const high = table[value >>> 16] as number;
      out[at] = (out[at] as number) ^ (low | (high << 16));
    }
  }
  for (let at = words << 2; at < length; at++) {
    sum[at] = (sum[at] ?? 0) ^ multiply(factor, input[at] ?? 0);
  }
}

function tableOf(factor: number): Uint16Array {
  const known = TABLES[factor];
  if (known !== undefined) return known;
  const single = Uint8Array.from({ length: 256 }, (_, value) => multiply(factor, value));
  const table = Uint16Array.from(
    { length: 65_536 },
    (_, value) => (single[value & 0xff] ?? 0) | ((single[value >> 8] ?? 0) << 8),
  );
  TABLES[factor] = table;
  return table;
}
