import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import { CRC_SPAN_BYTES } from '../core/limits.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';

/** A file of the bundle with a whole blob or a slice of a large one. */
export interface Part {
  readonly path: string;
  /** The offset of the slice in its blob, in bytes. */
  readonly offset: number;
  readonly size: number;
  readonly sha512: Sri;
  /** CRC-32 of each 4 MiB, 8 hex digits each. Used only to locate damage. */
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

/** The path in a bundle of a blob, or of its slice with this index. */
export function partPath(hex: string, index?: number): string {
  const whole = `blobs/sha256/${hex}`;
  return index === undefined ? whole : `${whole}.${String(index).padStart(4, '0')}`;
}
