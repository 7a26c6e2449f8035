import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';
import { exact } from './field.ts';

/** A site's statement, signed with its key, that it wrote a bundle for another network. It lies beside the bundle. */
export interface Hop {
  readonly schema: 'stowage/hop/v1';
  readonly site: string;
  readonly at: string;
  readonly tool: string;
  readonly bundle: {
    readonly name: string;
    readonly version: string;
    readonly seq: number;
    /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
    readonly id: string;
  };
  /** How many listed files were written, and how many bytes they have. */
  readonly files: number;
  readonly bytes: number;
  /** How many listed files were left out. */
  readonly omitted: number;
  /** The sites for which that is enough, by their receipts; absent if all files were to be written. */
  readonly for?: readonly string[];
  /** SHA-512 of the statement of the hop before, 128 hex digits; absent in the first. */
  readonly previous?: string;
}

const sha512Hex = z.string().regex(/^[0-9a-f]{128}$/);

const schema: z.ZodType<Hop> = exact(
  z.strictObject({
    schema: z.literal('stowage/hop/v1'),
    site: field.name,
    at: field.moment,
    tool: field.line(100),
    bundle: z.strictObject({
      name: field.name,
      version: field.version,
      seq: field.sequence,
      id: sha512Hex,
    }),
    files: field.bytes,
    bytes: field.bytes,
    omitted: field.bytes,
    for: z.array(field.name).min(1).max(1000).exactOptional(),
    previous: sha512Hex.exactOptional(),
  }),
);

export const hopKind: DocumentKind<Hop> = {
  name: 'hop statement',
  versionIn: schemaMember('hop'),
  code: 'document-invalid',
  schema,
  maxBytes: MIB,
  hint: 'ask the site that exported the bundle for its statement again',
};
