import * as z from 'zod';
import { MAX_CERTIFICATE_BYTES, MIB } from '../../core/limits.ts';
import type { DocumentKind } from '../document.ts';
import { exact } from '../exact.ts';
import * as field from '../field.ts';
import { schemaMember } from '../version.ts';

/** A site's statement, signed with its old key, that another key signs its receipts from now on. */
export interface KeyHandover {
  readonly schema: 'stowage/key-handover/v1';
  readonly site: string;
  readonly at: string;
  /** The certificate of the new key: its DER in base64. */
  readonly certificate: string;
}

const schema: z.ZodType<KeyHandover> = exact(
  z.strictObject({
    schema: z.literal('stowage/key-handover/v1'),
    site: field.name,
    at: field.moment,
    certificate: z.base64().max(MAX_CERTIFICATE_BYTES * 2),
  }),
);

export const keyHandoverKind: DocumentKind<KeyHandover> = {
  name: 'key handover',
  versionIn: schemaMember('key-handover'),
  code: 'document-invalid',
  schema,
  maxBytes: MIB,
  hint: 'ask the site for the key handover again',
};
