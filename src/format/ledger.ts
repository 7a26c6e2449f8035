import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type Intent, intents, type Override } from './override.ts';
import { seqFloor } from './trust.ts';
import { newerHints, schemaMember } from './version.ts';

/** Something that a site must not forget. */
export type LedgerEvent =
  /** A bundle was admitted and staged. `signedAt` is the newest time that a counted signature gives. */
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
  /** A signed bundle recalled releases. */
  | {
      readonly kind: 'recalled';
      readonly release: string;
      readonly versions: string;
      readonly reason: string;
      readonly bundle: string;
    }
  /** A person let a bundle in whose age alone was against it. */
  | { readonly kind: 'override'; readonly bundle: string; readonly reason: string }
  /** A person let constraints be violated for a while. */
  | ({ readonly kind: 'overridden' } & Override)
  /** What no rollback needs was removed: so many generations, blobs and bytes. */
  | {
      readonly kind: 'collected';
      readonly generations: number;
      readonly blobs: number;
      readonly bytes: number;
      /** Bundles that never became whole. */
      readonly incomplete?: number;
    }
  /** A command changed the site, or tried to. */
  | {
      readonly kind: 'command';
      readonly command: Intent | 'recover';
      readonly outcome: 'kept' | 'rolled-back' | 'failed';
      /** The generation that runs after it. */
      readonly generation: number;
      readonly detail: string;
      /** SHA-512 of the plan, where a person read or approved it. */
      readonly plan?: string;
      /** Who approved it: names of certificates. */
      readonly approvedBy?: readonly string[];
    };

/** One line of a site's ledger. */
export interface LedgerEntry {
  /** 1 for the first. */
  readonly number: number;
  readonly at: string;
  /** SHA-512 of the line before, without its line feed; 128 zeros for the first. */
  readonly previous: string;
  readonly event: LedgerEvent;
}

/** The end of a ledger as it was when this was written. */
export interface LedgerHead {
  readonly number: number;
  /** SHA-512 of the last line, without its line feed. */
  readonly digest: string;
}

const event: z.ZodType<LedgerEvent> = exact(
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
    }),
    z.strictObject({
      kind: z.literal('command'),
      command: z.enum([...intents, 'recover']),
      outcome: z.enum(['kept', 'rolled-back', 'failed']),
      generation: z.int().min(0),
      detail: field.line(1000),
      plan: field.hex(128).exactOptional(),
      approvedBy: z.array(field.line(500)).max(64).exactOptional(),
    }),
  ]),
);

const HINT =
  'the ledger of the site was edited, cut or restored: keep a copy for the security officer, and put the newest whole copy back';

export const ledgerEntryKind: DocumentKind<LedgerEntry> = {
  name: 'ledger entry',
  versionIn: schemaMember('ledger-entry', 2),
  code: 'state-damaged',
  schema: exact(
    z.strictObject({
      number: field.sequence,
      at: field.moment,
      previous: field.hex(128),
      event,
    }),
  ),
  maxBytes: MIB,
  hint: HINT,
  newerHint: newerHints.site,
};

export const ledgerHead: z.ZodType<LedgerHead> = exact(
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
