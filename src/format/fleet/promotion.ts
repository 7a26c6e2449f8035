import * as z from 'zod';
import { MIB } from '../../core/limits.ts';
import type { DocumentKind } from '../document.ts';
import { exact } from '../exact.ts';
import * as field from '../field.ts';
import { schemaMember } from '../version.ts';

/** A release in a channel for which it was not packed. Signed by the role `release`. */
export interface Promotion {
  readonly schema: 'stowage/promotion/v1';
  readonly release: string;
  readonly version: string;
  readonly seq: number;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  readonly from: string;
  readonly to: string;
  readonly at: string;
  /** What was shown when it was written, one line each. */
  readonly evidence: readonly string[];
  /** Whether it needs signatures of the role `approval` as well, by other keys. */
  readonly approval: boolean;
}

const schema: z.ZodType<Promotion> = exact(
  z.strictObject({
    schema: z.literal('stowage/promotion/v1'),
    release: field.name,
    version: field.version,
    seq: field.sequence,
    bundle: field.hex(128),
    from: field.name,
    to: field.name,
    at: field.moment,
    evidence: z.array(field.line(500)).max(100),
    approval: z.boolean(),
  }),
);

export const promotionKind: DocumentKind<Promotion> = {
  name: 'promotion',
  versionIn: schemaMember('promotion'),
  code: 'fleet-damaged',
  schema,
  maxBytes: MIB,
  hint: 'restore the file from version control; stowage fleet promote writes promotions',
};
