import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import {
  CRC_SPAN_BYTES,
  DEFAULT_PART_BYTES,
  MAX_BUNDLE_FILES,
  MAX_PARITY_COLUMNS,
  MAX_PARITY_ROWS,
} from '../core/limits.ts';
import { counted } from '../core/text.ts';
import * as field from './field.ts';
import { exact } from './field.ts';

/** A file of the bundle with a whole blob or a slice of a large one. */
export interface Part {
  readonly path: string;
  /** The offset of the slice in its blob, in bytes. */
  readonly offset: number;
  readonly size: number;
  readonly sha512: Sri;
  /** CRC-32 of each 4 MiB, 8 hex digits each. Used only to locate damage, and to notice it before a part is sent. */
  readonly crc32: string;
}

export const part: z.ZodType<Part> = field.exact(
  z
    .strictObject({
      path: field.mediaPath,
      offset: field.bytes,
      size: field.bytes,
      sha512: field.sri,
      crc32: field.crc32,
    })
    .refine((value) => value.crc32.length === 8 * Math.ceil(value.size / CRC_SPAN_BYTES), {
      path: ['crc32'],
      message: 'expected 8 hex digits for each 4 MiB',
    }),
);

/** The path in a bundle of a blob, or of its slice with this index. */
export function partPath(hex: string, index?: number): string {
  const whole = `blobs/sha256/${hex}`;
  return index === undefined ? whole : `${whole}.${String(index).padStart(4, '0')}`;
}

/**
 * Recovery parts. The sequence of all parts of all blobs is divided into columns of whole parts; at each offset, a row
 * has a sum of products of the columns' bytes there, in GF(2^8). As many columns as there are rows can be lost at one
 * offset.
 */
export interface Parity {
  /** Size of a full recovery part, in bytes. */
  readonly stripe: number;
  /** The number of parts in each column. */
  readonly columns: readonly number[];
  /** Whether each column is one disc, and each row one additional disc. */
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

/** Bytes of a full recovery part. */
export function stripeOf(partSize: number): number {
  return partSize === 0 ? DEFAULT_PART_BYTES : partSize;
}

/** A part and its offset in its column, in bytes. */
export interface PlacedPart {
  readonly part: Part;
  readonly start: number;
}

/** Consecutive parts; a column is padded with zeros. */
export interface Column {
  readonly parts: readonly PlacedPart[];
  /** Bytes. */
  readonly length: number;
}

/** Divides the parts of all blobs into columns with these numbers of parts. */
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

/** Paths, offsets and sizes of the recovery parts of a row, for columns of at most `length` bytes. */
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

/** Contradictions between recovery parts and the parts of a bundle. */
export function parityDefects({ columns, rows, stripe }: Parity, parts: readonly Part[]): string[] {
  const count = columns.reduce((sum, each) => sum + each, 0);
  if (count !== parts.length)
    return [
      `parity: the columns have ${counted(count, 'part')}, but the bundle has ${parts.length}`,
    ];
  const length = Math.max(...columnsOf(columns, parts).map((each) => each.length));
  return rows.flatMap((row, index) => {
    // Counted before the list is made: the sizes are not trusted.
    const expected = Math.ceil(length / stripe);
    if (row.length !== expected)
      return [`parity: row ${index + 1} has ${counted(row.length, 'part')} instead of ${expected}`];
    const shape = recoveryShape(index, stripe, length);
    return row.flatMap((each, at) => {
      const { path = '', offset, size } = shape[at] ?? {};
      if (each.path === path && each.offset === offset && each.size === size) return [];
      return [`parity: expected ${path} of ${counted(size ?? 0, 'byte')} at ${offset}`];
    });
  });
}

/** The number of a disc from the name of its folder. It is not signed, so it is used for display only. */
export interface DiscNumber {
  readonly number: number;
  /** How many there are. */
  readonly of: number;
}

const NAME = /^disc-([1-9][0-9]{0,3})-of-([1-9][0-9]{0,3})$/;

export function discName(number: number, of: number): string {
  return `disc-${number}-of-${of}`;
}

/** Parses a folder name; undefined for any other name. */
export function parseDiscName(name: string): DiscNumber | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const number = Number(match[1]);
  const of = Number(match[2]);
  return number <= of ? { number, of } : undefined;
}
