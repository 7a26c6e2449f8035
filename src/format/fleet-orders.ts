import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';

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

const promotionSchema: z.ZodType<Promotion> = field.exact(
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
  schema: promotionSchema,
  maxBytes: MIB,
  hint: 'restore the file from version control; on the connected side, stowage fleet promote writes promotions',
};

/** Where to go from recalled versions: `forward` to a newer version only; otherwise also back, to `backTo` or a later version. */
export type RecallStrategy = 'forward' | { readonly backTo: string };

export const recallStrategy: z.ZodType<RecallStrategy> = field.exact(
  z.union([z.literal('forward'), z.strictObject({ backTo: field.version })]),
);

/** Versions that must no longer run at any site, and where to go from them. Signed by the role `release`. */
export interface RecallOrder {
  readonly schema: 'stowage/recall-order/v1';
  /** 1 for the first of a release. */
  readonly number: number;
  readonly release: string;
  /** A range of versions, such as `>=1.2.0 <1.2.4`. */
  readonly versions: string;
  readonly reason: string;
  readonly strategy: RecallStrategy;
  readonly at: string;
}

const recallSchema: z.ZodType<RecallOrder> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/recall-order/v1'),
    number: field.sequence,
    release: field.name,
    versions: field.versionRange,
    reason: field.line(500),
    strategy: recallStrategy,
    at: field.moment,
  }),
);

export const recallOrderKind: DocumentKind<RecallOrder> = {
  name: 'recall of a fleet',
  versionIn: schemaMember('recall-order'),
  code: 'fleet-damaged',
  schema: recallSchema,
  maxBytes: MIB,
  hint: 'restore the file from version control; on the connected side, stowage fleet recall writes recalls',
};
