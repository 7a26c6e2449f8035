import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import { MAX_RECEIPT_BUNDLES } from '../core/limits.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { installerPath } from './installer.ts';

/** A bundle of which a site stores every blob. */
export interface HeldBundle {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  /** `running` in the current generation, `kept` for a rollback, or `imported` only. */
  readonly use: 'running' | 'kept' | 'imported';
}

/** What a site stores, as far as it decides what must travel to it. The blobs follow from the bundles. */
export interface Holdings {
  /** Those that run first, then those that are kept, then by sequence, newest first. */
  readonly bundles: readonly HeldBundle[];
  /** How many more complete bundles are not listed; absent if none. */
  readonly unlisted?: number;
  readonly installers: readonly { readonly platform: string; readonly sha512: Sri }[];
  /** Free bytes on the file system of the store. */
  readonly free: number;
  /** Until when `gc` keeps the listed bundles; absent if that was not promised. */
  readonly heldUntil?: string;
}

export const holdings: z.ZodType<Holdings> = exact(
  z.strictObject({
    bundles: z
      .array(
        z.strictObject({
          name: field.name,
          version: field.version,
          seq: field.sequence,
          bundle: field.hex(128),
          use: z.enum(['running', 'kept', 'imported']),
        }),
      )
      .max(MAX_RECEIPT_BUNDLES),
    unlisted: z.int().min(1).exactOptional(),
    installers: z
      .array(
        z.strictObject({
          platform: z
            .string()
            .refine((value) => installerPath(value) !== undefined, 'expected a platform'),
          sha512: field.sri,
        }),
      )
      .max(MAX_RECEIPT_BUNDLES),
    free: field.bytes,
    heldUntil: field.moment.exactOptional(),
  }),
);
