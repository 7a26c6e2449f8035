import * as z from 'zod';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { newerHints, schemaMember } from './version.ts';

/** Which versions the documents of a site's folder may have: what a program reads before anything else in it. */
export interface SiteFormat {
  readonly schema: 'stowage/site-format/v1';
  /** The newest version of each kind of document that may be there, such as `generation: 1`. */
  readonly versions: Readonly<Record<string, number>>;
  /** Whether documents of older versions, which are to be rewritten, may still be there. */
  readonly converting: boolean;
}

const schema: z.ZodType<SiteFormat> = exact(
  z.strictObject({
    schema: z.literal('stowage/site-format/v1'),
    versions: z.record(field.name, z.int().min(1).max(999_999_999)),
    converting: z.boolean(),
  }),
);

export const siteFormatKind: DocumentKind<SiteFormat> = {
  name: 'site format',
  versionIn: schemaMember('site-format'),
  code: 'state-damaged',
  schema,
  maxBytes: 4096,
  hint: 'restore format.json of the site folder from its backup',
  newerHint: newerHints.site,
};
