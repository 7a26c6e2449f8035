import * as z from 'zod';
import { MIB } from '../../core/limits.ts';
import type { DocumentKind } from '../document.ts';
import { exact } from '../exact.ts';
import * as field from '../field.ts';
import { schemaMember } from '../version.ts';

/** Versions that must no longer run at any site, and where to go from them. Signed by the role `release`. */
export interface RecallOrder {
  readonly schema: 'stowage/recall-order/v1';
  /** 1 for the first of a release. */
  readonly number: number;
  readonly release: string;
  /** A range of versions, such as `>=1.2.0 <1.2.4`. */
  readonly versions: string;
  readonly reason: string;
  /** `forward`: to a newer version only; otherwise the oldest version to which a site may also go back. */
  readonly strategy: 'forward' | { readonly backTo: string };
  readonly at: string;
}

const schema: z.ZodType<RecallOrder> = exact(
  z.strictObject({
    schema: z.literal('stowage/recall-order/v1'),
    number: field.sequence,
    release: field.name,
    versions: field.versionRange,
    reason: field.line(500),
    strategy: z.union([z.literal('forward'), z.strictObject({ backTo: field.version })]),
    at: field.moment,
  }),
);

export const recallOrderKind: DocumentKind<RecallOrder> = {
  name: 'recall of a fleet',
  versionIn: schemaMember('recall-order'),
  code: 'fleet-damaged',
  schema,
  maxBytes: MIB,
  hint: 'restore the file from version control; stowage fleet recall writes recalls',
};
