import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { Recall } from './deployment.ts';
import { type DocumentKind, newerHints, olderVersion, schemaMember } from './document.ts';
import * as field from './field.ts';
import { type RecallStrategy, recallStrategy } from './fleet-orders.ts';
import {
  type Intent,
  intents,
  type Override,
  type ServiceCommand,
  serviceCommands,
} from './override.ts';
import { seqFloor } from './trust.ts';
import { type LedgerEntryV1, ledgerEntryV1Schema } from './v1/ledger-entry.ts';

/** An event in the permanent record of a site. */
export type LedgerEvent =
  /** A bundle was imported. `signedAt` is the newest signing time of a counted signature. */
  | {
      readonly kind: 'accepted';
      readonly product: string;
      readonly channel: string;
      readonly version: string;
      readonly seq: number;
      readonly bundle: string;
      readonly signedAt: string;
    }
  /** A trust document was pinned. `digest` is the SHA-512 of its canonical form, `seqFloor` the floors it sets. */
  | {
      readonly kind: 'trusted';
      readonly version: number;
      readonly digest: string;
      readonly seqFloor?: Readonly<Record<string, number>>;
    }
  /** A signed bundle or notice recalled releases; `bundle` is the SHA-512 of its `SHA512SUMS`. Only notices say a strategy. */
  | {
      readonly kind: 'recalled';
      readonly release: string;
      readonly versions: string;
      readonly reason: string;
      readonly bundle: string;
      readonly strategy?: RecallStrategy;
    }
  /** A notice said that a channel has a bundle for which it was not packed. */
  | {
      readonly kind: 'promoted';
      readonly release: string;
      readonly version: string;
      readonly bundle: string;
      readonly channel: string;
      readonly notice: string;
    }
  /** A notice was imported, and everything in it is recorded. `signedAt` is as for a bundle. */
  | {
      readonly kind: 'noticed';
      readonly issuer: string;
      readonly serial: number;
      /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
      readonly notice: string;
      readonly signedAt: string;
    }
  /** A person accepted a bundle or notice that failed only the age check. */
  | { readonly kind: 'override'; readonly bundle: string; readonly reason: string }
  /** A person temporarily overrode failed checks. */
  | ({ readonly kind: 'overridden' } & Override)
  /** Content that no rollback needs, or one release, was removed: counts of generations, blobs and bytes. */
  | {
      readonly kind: 'collected';
      readonly generations: number;
      readonly blobs: number;
      readonly bytes: number;
      /** Bundles that were never complete. */
      readonly incomplete?: number;
      /** The release that a person removed: `name version`, or the name of its folder if its index cannot be read. */
      readonly forgotten?: string;
    }
  /** A command changed the site, or tried to. */
  | {
      readonly kind: 'command';
      readonly command: Intent | ServiceCommand | 'recover';
      readonly outcome: 'kept' | 'rolled-back' | 'failed';
      /** The generation that runs afterwards. */
      readonly generation: number;
      readonly detail: string;
      /** SHA-512 of the plan, if a person read or approved it. */
      readonly plan?: string;
      /** The certificate names of its approvers. */
      readonly approvedBy?: readonly string[];
      /** The release that it installed or uninstalled; absent for a rollback. */
      readonly release?: ReleaseName;
    };

/** A release in a ledger entry. */
export interface ReleaseName {
  readonly name: string;
  readonly version: string;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
}

/** Who ran a command. */
export interface LedgerUser {
  /** The effective user id of the process. */
  readonly uid: number;
  /** `SUDO_USER`, the user who ran sudo; the environment can contain any value. */
  readonly sudoUser?: string;
}

/** One line of a site's ledger. */
export interface LedgerEntry {
  readonly schema: 'stowage/ledger-entry/v2';
  /** 1 for the first. */
  readonly number: number;
  readonly at: string;
  /** SHA-512 of the previous line, without its line feed; 128 zeros for the first. */
  readonly previous: string;
  readonly event: LedgerEvent;
  /** Absent in entries of version 1. */
  readonly by?: LedgerUser;
}

/** The last entry of a ledger at the time of writing. */
export interface LedgerHead {
  readonly number: number;
  /** SHA-512 of the last line, without its line feed. */
  readonly digest: string;
}

const event: z.ZodType<LedgerEvent> = field.exact(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('accepted'),
      product: field.name,
      channel: field.name,
      version: field.version,
      seq: field.sequence,
      bundle: field.hex(128),
      signedAt: field.moment,
    }),
    z.strictObject({
      kind: z.literal('trusted'),
      version: field.sequence,
      digest: field.hex(128),
      seqFloor: seqFloor.exactOptional(),
    }),
    z.strictObject({
      kind: z.literal('recalled'),
      release: field.name,
      versions: field.versionRange,
      reason: field.line(500),
      bundle: field.hex(128),
      strategy: recallStrategy.exactOptional(),
    }),
    z.strictObject({
      kind: z.literal('promoted'),
      release: field.name,
      version: field.version,
      bundle: field.hex(128),
      channel: field.name,
      notice: field.hex(128),
    }),
    z.strictObject({
      kind: z.literal('noticed'),
      issuer: field.name,
      serial: field.sequence,
      notice: field.hex(128),
      signedAt: field.moment,
    }),
    z.strictObject({
      kind: z.literal('override'),
      bundle: field.hex(128),
      reason: field.line(500),
    }),
    z.strictObject({
      kind: z.literal('overridden'),
      rule: field.name,
      by: field.line(200),
      reason: field.line(500),
      until: field.moment,
    }),
    z.strictObject({
      kind: z.literal('collected'),
      generations: z.int().min(0),
      blobs: z.int().min(0),
      bytes: field.bytes,
      incomplete: z.int().min(1).exactOptional(),
      forgotten: field.line(300).exactOptional(),
    }),
    z.strictObject({
      kind: z.literal('command'),
      command: z.enum([...intents, ...serviceCommands, 'recover']),
      outcome: z.enum(['kept', 'rolled-back', 'failed']),
      generation: z.int().min(0),
      detail: field.line(1000),
      plan: field.hex(128).exactOptional(),
      approvedBy: z.array(field.line(500)).max(64).exactOptional(),
      release: z
        .strictObject({ name: field.name, version: field.version, bundle: field.hex(128) })
        .exactOptional(),
    }),
  ]),
);

const HINT =
  'the ledger of the site was edited, truncated or replaced: keep a copy for the security officer, and restore the newest complete copy';

export const ledgerEntryKind: DocumentKind<LedgerEntry> = {
  name: 'ledger entry',
  versionIn: schemaMember('ledger-entry', 2),
  older: [olderVersion(ledgerEntryV1Schema, convertV1)],
  code: 'state-damaged',
  schema: field.exact(
    z.strictObject({
      schema: z.literal('stowage/ledger-entry/v2'),
      number: field.sequence,
      at: field.moment,
      previous: field.hex(128),
      event,
      by: z
        .strictObject({ uid: z.int().min(0), sudoUser: field.line(100).exactOptional() })
        .exactOptional(),
    }),
  ),
  maxBytes: MIB,
  hint: HINT,
  newerHint: newerHints.site,
};

/** The digest of an entry is that of its line in the file, whatever its version. */
function convertV1(entry: LedgerEntryV1): LedgerEntry {
  return { schema: 'stowage/ledger-entry/v2', ...entry };
}

export const ledgerHead: z.ZodType<LedgerHead> = field.exact(
  z.strictObject({
    number: z.int().min(0),
    digest: field.hex(128),
  }),
);

export const ledgerHeadKind: DocumentKind<LedgerHead> = {
  name: 'ledger head',
  versionIn: schemaMember('ledger-head', 2),
  code: 'state-damaged',
  schema: ledgerHead,
  maxBytes: 4096,
  hint: HINT,
  newerHint: newerHints.site,
};

/** The newest bundle of a product and channel that a site has accepted. */
export interface Acceptance {
  readonly product: string;
  readonly channel: string;
  /** The highest sequence accepted. */
  readonly seq: number;
  /** The digest of the bundle with that sequence. */
  readonly bundle: string;
}

/** The newest notice of an issuer that a site has imported. */
export interface TakenNotice {
  readonly issuer: string;
  readonly serial: number;
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly notice: string;
}

/** A channel that has a bundle by a promotion. */
export interface PromotedBundle {
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  readonly channel: string;
}

/** A recall that a site has imported. */
export interface SiteRecall extends Recall {
  /** Where to go from the versions; any version that is not recalled without it. */
  readonly strategy?: RecallStrategy;
}

/** What a site records of the bundles it imported, so that it rejects older and recalled ones. */
export interface AdmissionHistory {
  readonly accepted: readonly Acceptance[];
  /** The newest signing time seen; the clock cannot be before it. */
  readonly floor: string;
  readonly recalls: readonly SiteRecall[];
}
