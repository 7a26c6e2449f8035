import { invert, multiply } from './field.ts';

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
