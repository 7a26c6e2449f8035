import * as z from 'zod';
import { MIB } from '../../core/limits.ts';
import type { DocumentKind } from '../document.ts';
import { exact } from '../exact.ts';
import * as field from '../field.ts';
import type { LedgerUser } from '../ledger.ts';
import { schemaMember } from '../version.ts';

/** What a command did to a fleet. */
export const fleetActions = [
  'init',
  'trust',
  'site',
  'take',
  'sign',
  'release',
  'promote',
  'recall',
] as const;
export type FleetAction = (typeof fleetActions)[number];

/** A document that an entry adds to the fleet. */
export interface RecordedFile {
  /** Relative to the folder of the fleet. */
  readonly path: string;
  /** SHA-512 of its bytes, 128 hex digits. */
  readonly sha512: string;
}

/**
 * One entry of the ledger of a fleet, in a file named by its own SHA-512. Two engineers who work on copies of a fleet each append
 * to what they have; the next entry after their copies were merged follows both.
 */
export interface FleetEntry {
  readonly schema: 'stowage/fleet-entry/v1';
  readonly at: string;
  /** SHA-512 of the entries that it follows, sorted; none for the first. */
  readonly previous: readonly string[];
  readonly by: LedgerUser;
  readonly action: FleetAction;
  /** What it was done to, such as the name of a site. */
  readonly subject: string;
  readonly files: readonly RecordedFile[];
}

/** How many documents one entry may add. */
export const MAX_ENTRY_FILES = 10_000;

const schema: z.ZodType<FleetEntry> = exact(
  z.strictObject({
    schema: z.literal('stowage/fleet-entry/v1'),
    at: field.moment,
    previous: z.array(field.hex(128)).max(1000),
    by: z.strictObject({ uid: z.int().min(0), sudoUser: field.line(100).exactOptional() }),
    action: z.enum(fleetActions),
    subject: field.line(500),
    files: z
      .array(z.strictObject({ path: field.mediaPath, sha512: field.hex(128) }))
      .max(MAX_ENTRY_FILES),
  }),
);

export const fleetEntryKind: DocumentKind<FleetEntry> = {
  name: 'entry of the ledger of a fleet',
  versionIn: schemaMember('fleet-entry'),
  code: 'fleet-damaged',
  schema,
  maxBytes: 8 * MIB,
  hint: 'restore the ledger folder from version control; entries are never edited or removed',
};
