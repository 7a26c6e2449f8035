import type { Part } from '../format/part.ts';

/** Columns of a bundle that is not split across discs: each row then takes a twentieth of the size of the bundle. */
const COLUMNS = 20;

/** Divides parts, in order, into columns of about equal size. @returns the number of parts in each */
export function evenColumns(parts: readonly Pick<Part, 'size'>[]): number[] {
  const total = parts.reduce((sum, part) => sum + part.size, 0);
  const width = Math.min(COLUMNS, parts.length);
  const counts = new Map<number, number>();
  let before = 0;
  for (const { size } of parts) {
    // A part belongs to the column that contains its midpoint.
    const column = Math.min(width - 1, Math.floor(((before + size / 2) / total) * width));
    counts.set(column, (counts.get(column) ?? 0) + 1);
    before += size;
  }
  return [...counts.values()];
}

/** Bytes of all recovery parts. */
export function recoveryBytes(
  columns: readonly number[],
  rows: number,
  parts: readonly Pick<Part, 'size'>[],
): number {
  let next = 0;
  const lengths = columns.map((count) => {
    next += count;
    return parts.slice(next - count, next).reduce((sum, { size }) => sum + size, 0);
  });
  return rows * Math.max(0, ...lengths);
}
