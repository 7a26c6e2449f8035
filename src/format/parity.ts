import * as z from 'zod';
import {
  CRC_SPAN_BYTES,
  MAX_BUNDLE_FILES,
  MAX_PARITY_COLUMNS,
  MAX_PARITY_ROWS,
} from '../core/limits.ts';
import { exact } from './exact.ts';
import { type Part, part } from './part.ts';

/**
 * Recovery parts. All parts of all blobs, one after another, are cut into columns of whole parts; a row holds at each
 * offset a sum of products of the bytes that the columns have there, in GF(2^8). As many columns as there are rows
 * may be lost at one offset.
 */
export interface Parity {
  /** Bytes of a full recovery part. */
  readonly stripe: number;
  /** How many parts each column has. */
  readonly columns: readonly number[];
  /** Whether a column is what one disc carries, and a row what a further disc carries. */
  readonly discs: boolean;
  /** The recovery parts of each row, by offset. */
  readonly rows: readonly (readonly Part[])[];
}

export const parity: z.ZodType<Parity> = exact(
  z.strictObject({
    stripe: z.int().min(CRC_SPAN_BYTES).multipleOf(CRC_SPAN_BYTES),
    columns: z.array(z.int().min(1).max(MAX_BUNDLE_FILES)).min(1).max(MAX_PARITY_COLUMNS),
    discs: z.boolean(),
    rows: z.array(z.array(part).min(1).max(MAX_BUNDLE_FILES)).min(1).max(MAX_PARITY_ROWS),
  }),
);

/** A part and where it begins in its column, in bytes. */
export interface PlacedPart {
  readonly part: Part;
  readonly start: number;
}

/** Parts one after another; beyond its end a column counts as zeros. */
export interface Column {
  readonly parts: readonly PlacedPart[];
  /** Bytes. */
  readonly length: number;
}

/** Cuts the parts of all blobs into columns of so many parts. */
export function columnsOf(counts: readonly number[], parts: readonly Part[]): Column[] {
  let next = 0;
  return counts.map((count) => {
    let length = 0;
    const placed = parts.slice(next, next + count).map((each) => {
      const start = length;
      length += each.size;
      return { part: each, start };
    });
    next += count;
    return { parts: placed, length };
  });
}

/** Where the recovery parts of a row lie and how large they are, for columns of at most `length` bytes. */
export function recoveryShape(
  row: number,
  stripe: number,
  length: number,
): Pick<Part, 'path' | 'offset' | 'size'>[] {
  return Array.from({ length: Math.ceil(length / stripe) }, (_, index) => ({
    path: `parity/${row + 1}.${String(index).padStart(4, '0')}`,
    offset: index * stripe,
    size: Math.min(stripe, length - index * stripe),
  }));
}

/** What does not fit the parts that the recovery parts are of. */
export function parityDefects({ columns, rows, stripe }: Parity, parts: readonly Part[]): string[] {
  const count = columns.reduce((sum, each) => sum + each, 0);
  if (count !== parts.length)
    return [`parity: the columns have ${count} parts where there are ${parts.length}`];
  const length = Math.max(...columnsOf(columns, parts).map((each) => each.length));
  return rows.flatMap((row, index) => {
    // Counted before it is listed: the sizes are somebody else's.
    const expected = Math.ceil(length / stripe);
    if (row.length !== expected)
      return [`parity: row ${index + 1} has ${row.length} parts where ${expected} belong`];
    const shape = recoveryShape(index, stripe, length);
    return row.flatMap((each, at) => {
      const { path = '', offset, size } = shape[at] ?? {};
      if (each.path === path && each.offset === offset && each.size === size) return [];
      return [`parity: expected ${path} of ${size} bytes at ${offset}`];
    });
  });
}
