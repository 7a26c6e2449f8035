import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';
import type { TakenNotice } from './ledger.ts';

/** A release that was written to media for a site. */
export interface DispatchedRelease {
  readonly name: string;
  readonly version: string;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  /** How many bytes travel, of the whole bundle. */
  readonly bytes: number;
  readonly total: number;
}

/** What a fleet wrote to media for a site, and so asked of it. */
export interface Dispatch {
  readonly schema: 'stowage/dispatch/v1';
  readonly site: string;
  /** 1 for the first to this site. */
  readonly number: number;
  readonly at: string;
  /** The receipt that it follows from, relative to the folder of the fleet. */
  readonly receipt: string;
  /** In the order of installation. */
  readonly releases: readonly DispatchedRelease[];
  /** Absent if only releases travel. */
  readonly notice?: TakenNotice;
  /** The recalls, promotions and advisories in the notice, relative to the folder of the fleet. */
  readonly documents: readonly string[];
  /** The newest trust document in the notice. */
  readonly trust?: number;
}

const schema: z.ZodType<Dispatch> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/dispatch/v1'),
    site: field.name,
    number: field.sequence,
    at: field.moment,
    receipt: field.mediaPath,
    releases: z
      .array(
        z.strictObject({
          name: field.name,
          version: field.version,
          bundle: field.hex(128),
          bytes: field.bytes,
          total: field.bytes,
        }),
      )
      .max(1000),
    notice: z
      .strictObject({ issuer: field.name, serial: field.sequence, notice: field.hex(128) })
      .exactOptional(),
    documents: z.array(field.mediaPath).max(1000),
    trust: field.sequence.exactOptional(),
  }),
);

export const dispatchKind: DocumentKind<Dispatch> = {
  name: 'dispatch of a fleet',
  versionIn: schemaMember('dispatch'),
  code: 'fleet-damaged',
  schema,
  maxBytes: MIB,
  hint: 'restore the file from version control; on the connected side, stowage fleet next --write records dispatches',
};
