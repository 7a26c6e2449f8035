import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import { CRC_SPAN_BYTES } from '../core/limits.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';

/** A file of the bundle that holds a whole blob or a slice of a large one. */
export interface Part {
  readonly path: string;
  /** Where the slice begins in its blob, in bytes. */
  readonly offset: number;
  readonly size: number;
  readonly sha512: Sri;
  /** CRC-32 of each 4 MiB, 8 hex digits each. Names the damaged spot and decides nothing else. */
  readonly crc32: string;
}

export const part: z.ZodType<Part> = exact(
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

/** Where a blob, or its slice of this index, lies in a bundle. */
export function partPath(hex: string, index?: number): string {
  const whole = `blobs/sha256/${hex}`;
  return index === undefined ? whole : `${whole}.${String(index).padStart(4, '0')}`;
}
