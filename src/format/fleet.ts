import * as z from 'zod';
import { MAX_CERTIFICATE_BYTES, MAX_MANIFEST_BYTES, MIB } from '../core/limits.ts';
import { apiVersionMember, type DocumentKind, newerHints, schemaMember } from './document.ts';
import * as field from './field.ts';
import type { LedgerUser } from './ledger.ts';
import { type RehearsalRequirement, rehearsalRequirement } from './rehearsal-requirement.ts';
import { type TargetName, targetNames } from './target-name.ts';

/** What must be shown before a release is promoted to a channel. */
export interface Evidence {
  /** So many sites ran the release, healthy in all their receipts, for at least so many days. */
  readonly healthy?: { readonly sites: number; readonly days: number };
  /** The bundle has a rehearsal that passed. */
  readonly rehearsal?: RehearsalRequirement;
  /** The promotion needs signatures of the trust document's role `approval` as well. */
  readonly approval?: boolean;
}

/** A channel of the fleet. */
export interface FleetChannel {
  /** The channel from which releases are promoted; absent for one that takes bundles as they are packed. */
  readonly from?: string;
  readonly evidence?: Evidence;
}

/** The settings of a fleet, `fleet.yaml`, written by hand. */
export interface Fleet {
  readonly apiVersion: 'stowage/v1';
  readonly name: string;
  /** The age in days from which the newest receipt of a site is reported as old. */
  readonly receiptDays: number;
  readonly channels: Readonly<Record<string, FleetChannel>>;
}

const evidence: z.ZodType<Evidence> = field.exact(
  z.strictObject({
    healthy: z
      .strictObject({
        sites: z.int().min(1).max(100_000),
        days: z.int().min(0).max(3650),
      })
      .exactOptional(),
    rehearsal: rehearsalRequirement.exactOptional(),
    approval: z.boolean().exactOptional(),
  }),
);

const schema: z.ZodType<Fleet> = field.exact(
  z
    .strictObject({
      apiVersion: z.literal('stowage/v1'),
      name: field.name,
      receiptDays: z.int().min(1).max(3650).default(30),
      channels: z
        .record(
          field.name,
          z.strictObject({
            from: field.name.exactOptional(),
            evidence: evidence.exactOptional(),
          }),
        )
        .default({}),
    })
    .superRefine(({ channels }, context) => {
      for (const [name, { from, evidence: asked }] of Object.entries(channels)) {
        const defect = (member: string, message: string): void =>
          context.addIssue({ code: 'custom', path: ['channels', name, member], message });
        if (from !== undefined && !Object.hasOwn(channels, from))
          defect('from', 'no channel has this name');
        else if (leadsBack(channels, name)) defect('from', 'expected no circle of channels');
        if (asked !== undefined && from === undefined)
          defect('evidence', 'expected from as well: evidence is for promotions');
      }
    }),
);

function leadsBack(channels: Readonly<Record<string, FleetChannel>>, name: string): boolean {
  const seen = new Set([name]);
  for (let next = channels[name]?.from; next !== undefined; next = channels[next]?.from) {
    if (seen.has(next)) return true;
    seen.add(next);
  }
  return false;
}

export const fleetKind: DocumentKind<Fleet> = {
  name: 'fleet.yaml',
  versionIn: apiVersionMember,
  code: 'document-invalid',
  schema,
  maxBytes: MAX_MANIFEST_BYTES,
  hint: 'correct fleet.yaml in the folder of the fleet; manifests/FLEET.md explains every field',
  hintAt: ({ file, line, field: member }) =>
    `correct ${member === undefined ? '' : `${member} in `}line ${line} of ${file}; manifests/FLEET.md explains every field`,
  newerHint: newerHints.written,
};

/** What a fleet records of one site. Signed by the role `release`; each change is a document of its own. */
export interface FleetSite {
  readonly schema: 'stowage/fleet-site/v1';
  readonly name: string;
  /** 1 for the first; the document with the highest number is in force. */
  readonly number: number;
  readonly at: string;
  /** The certificate that signs the receipts of the site: its DER in base64. */
  readonly certificate: string;
  readonly target?: TargetName;
  readonly labels: Readonly<Record<string, string>>;
  /** The channels whose releases the site takes. */
  readonly channels: readonly string[];
  /** Whom to ask, in words. */
  readonly contact?: string;
  /** True once the site was given up: it is listed, but nothing is expected of it. */
  readonly retired?: boolean;
}

const siteSchema: z.ZodType<FleetSite> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/fleet-site/v1'),
    name: field.name,
    number: field.sequence,
    at: field.moment,
    certificate: z.base64().max(MAX_CERTIFICATE_BYTES * 2),
    target: z.enum(targetNames).exactOptional(),
    labels: z.record(field.name, field.line(256)),
    channels: z.array(field.name).max(64),
    contact: field.line(500).exactOptional(),
    retired: z.boolean().exactOptional(),
  }),
);

export const fleetSiteKind: DocumentKind<FleetSite> = {
  name: 'site of a fleet',
  versionIn: schemaMember('fleet-site'),
  code: 'fleet-damaged',
  schema: siteSchema,
  maxBytes: MIB,
  hint: 'restore the file from version control; stowage fleet change-site records changes',
};

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
  'dispatch',
  'scan',
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

const entrySchema: z.ZodType<FleetEntry> = field.exact(
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
  schema: entrySchema,
  maxBytes: 8 * MIB,
  hint: 'restore the ledger folder from version control; entries are never edited or removed',
};
