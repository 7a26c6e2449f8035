import * as z from 'zod';
import type { Json } from '../core/canonical-json.ts';
import { MAX_CONTROL_FILE_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { newerHints, schemaMember } from './version.ts';

/** An object of a cluster as it was before a release took it over. */
export interface ReplacedObject {
  /** The change that took it over: SHA-256 of the set that it applied, 64 hex digits. */
  readonly change: string;
  readonly object: { readonly [member: string]: Json };
}

/** What one set of objects of a release found in the cluster. */
export interface ReplacedBySet {
  readonly release: string;
  readonly set: string;
  /** The changes that looked for objects to replace before their first write. */
  readonly changes: readonly string[];
  readonly objects: readonly ReplacedObject[];
}

/** The original state of adopted objects, by which an uninstall restores them: `replaced-objects.json` of a site. */
export interface ReplacedObjects {
  readonly schema: 'stowage/replaced-objects/v1';
  readonly sets: readonly ReplacedBySet[];
}

const bySet: z.ZodType<ReplacedBySet> = exact(
  z.strictObject({
    release: field.name,
    set: field.name,
    changes: z.array(field.hex(64)).max(10_000),
    objects: z
      .array(
        z.strictObject({
          change: field.hex(64),
          object: z.record(z.string(), z.json()) as unknown as z.ZodType<Record<string, Json>>,
        }),
      )
      .max(100_000),
  }),
);

const schema: z.ZodType<ReplacedObjects> = exact(
  z.strictObject({
    schema: z.literal('stowage/replaced-objects/v1'),
    sets: z.array(bySet).max(10_000),
  }),
);

export const replacedObjectsKind: DocumentKind<ReplacedObjects> = {
  name: 'replaced-objects.json',
  versionIn: schemaMember('replaced-objects'),
  code: 'state-damaged',
  schema,
  maxBytes: MAX_CONTROL_FILE_BYTES,
  hint: 'restore replaced-objects.json of the site folder from its backup',
  newerHint: newerHints.site,
};
