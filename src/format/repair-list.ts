import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import { MAX_BUNDLE_FILES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';

/** A part that a site needs. */
export interface NeededPart {
  readonly path: string;
  readonly size: number;
  readonly sha512: Sri;
  /** The damaged ranges of the site's copy, up to 4 MiB each; empty if it had no copy. */
  readonly damaged: readonly { readonly offset: number; readonly length: number }[];
  /** `NAME VERSION` of releases at the site that contain it too, and whose copy is missing or damaged; absent if there are none. */
  readonly alsoIn?: readonly string[];
}

/** The parts of a bundle that a site needs again, for the connected side. */
export interface RepairList {
  readonly schema: 'stowage/repair-list/v1';
  readonly name: string;
  readonly version: string;
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  /** As in `bundle.json`, so that `pack` makes the same parts. */
  readonly partSize: number;
  readonly parts: readonly NeededPart[];
}

const schema: z.ZodType<RepairList> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/repair-list/v1'),
    name: field.name,
    version: field.version,
    bundle: field.hex(128),
    partSize: field.bytes,
    parts: z
      .array(
        z.strictObject({
          path: field.mediaPath,
          size: field.bytes,
          sha512: field.sri,
          damaged: z
            .array(z.strictObject({ offset: field.bytes, length: field.bytes }))
            .max(100_000),
          alsoIn: z.array(field.line(200)).min(1).max(8).exactOptional(),
        }),
      )
      .min(1)
      .max(MAX_BUNDLE_FILES),
  }),
);

export const repairListKind: DocumentKind<RepairList> = {
  name: 'the repair list',
  versionIn: schemaMember('repair-list'),
  code: 'document-invalid',
  schema,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'make it again at the site: stowage repair-list --output FILE',
};
