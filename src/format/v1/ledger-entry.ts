import * as z from 'zod';
import * as field from '../field.ts';

type EventV1 =
  | {
      readonly kind: 'accepted';
      readonly product: string;
      readonly channel: string;
      readonly version: string;
      readonly seq: number;
      readonly bundle: string;
      readonly signedAt: string;
    }
  | {
      readonly kind: 'trusted';
      readonly version: number;
      readonly digest: string;
      readonly seqFloor?: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: 'recalled';
      readonly release: string;
      readonly versions: string;
      readonly reason: string;
      readonly bundle: string;
    }
  | { readonly kind: 'override'; readonly bundle: string; readonly reason: string }
  | {
      readonly kind: 'overridden';
      readonly rule: string;
      readonly by: string;
      readonly reason: string;
      readonly until: string;
    }
  | {
      readonly kind: 'collected';
      readonly generations: number;
      readonly blobs: number;
      readonly bytes: number;
      readonly incomplete?: number;
    }
  | {
      readonly kind: 'command';
      readonly command: 'install' | 'rollback' | 'uninstall' | 'recover';
      readonly outcome: 'kept' | 'rolled-back' | 'failed';
      readonly generation: number;
      readonly detail: string;
      readonly plan?: string;
      readonly approvedBy?: readonly string[];
    };

/** A ledger entry of version 1, which does not name its version or who ran the command. */
export interface LedgerEntryV1 {
  readonly number: number;
  readonly at: string;
  readonly previous: string;
  readonly event: EventV1;
}

const event: z.ZodType<EventV1> = field.exact(
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
      seqFloor: z.record(z.string(), field.sequence).exactOptional(),
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
      command: z.enum(['install', 'rollback', 'uninstall', 'recover']),
      outcome: z.enum(['kept', 'rolled-back', 'failed']),
      generation: z.int().min(0),
      detail: field.line(1000),
      plan: field.hex(128).exactOptional(),
      approvedBy: z.array(field.line(500)).max(64).exactOptional(),
    }),
  ]),
);

export const ledgerEntryV1Schema: z.ZodType<LedgerEntryV1> = field.exact(
  z.strictObject({
    number: field.sequence,
    at: field.moment,
    previous: field.hex(128),
    event,
  }),
);
