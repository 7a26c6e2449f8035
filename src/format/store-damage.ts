import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { newerHints, schemaMember } from './version.ts';

/** A file of a site that was damaged or missing when all of them were last verified. */
export interface DamagedFile {
  /** Relative to the site's folder. */
  readonly path: string;
  /** What it is, such as `model.safetensors of model chat`. */
  readonly what: string;
  /** `name version` of a release that it belongs to. */
  readonly release?: string;
  readonly verdict: 'damaged' | 'missing';
  /** The file as it was then: it changes when the file is replaced. Absent for a missing one. */
  readonly mark?: string;
}

/** What the last verification of a site's files found. */
export interface StoreDamage {
  readonly schema: 'stowage/store-damage/v1';
  readonly at: string;
  readonly files: readonly DamagedFile[];
}

/** More are not listed: the first are enough to find the disk. */
export const MAX_DAMAGED_FILES = 10_000;

export const MAX_DAMAGE_TEXT = 4096;

const text = z.string().min(1).max(MAX_DAMAGE_TEXT);

const schema: z.ZodType<StoreDamage> = exact(
  z.strictObject({
    schema: z.literal('stowage/store-damage/v1'),
    at: field.moment,
    files: z
      .array(
        z.strictObject({
          path: text,
          what: text,
          release: text.exactOptional(),
          verdict: z.enum(['damaged', 'missing']),
          mark: text.exactOptional(),
        }),
      )
      .min(1)
      .max(MAX_DAMAGED_FILES),
  }),
);

export const storeDamageKind: DocumentKind<StoreDamage> = {
  name: 'list of damaged files',
  versionIn: schemaMember('store-damage'),
  code: 'state-damaged',
  schema,
  maxBytes: 64 * MIB,
  hint: 'delete damaged.json in the site folder, and run stowage store verify',
  newerHint: newerHints.site,
};
