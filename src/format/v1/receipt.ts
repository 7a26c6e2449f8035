import * as z from 'zod';
import * as field from '../field.ts';
import { type LedgerHead, ledgerHead } from '../ledger.ts';
import { type Intent, intents, type Override, override } from '../override.ts';

/** A receipt of version 1: the health of a service was only what its engine reported. */
export interface ReceiptV1 {
  readonly schema: 'stowage/receipt/v1';
  readonly site: string;
  readonly at: string;
  readonly tool: string;
  readonly intent: Intent | 'statement';
  readonly outcome: 'kept' | 'rolled-back';
  readonly generation: number;
  readonly releases: readonly {
    readonly name: string;
    readonly version: string;
    readonly seq: number;
    readonly bundle: string;
  }[];
  readonly generations: readonly number[];
  readonly held: { readonly blobs: number; readonly bytes: number };
  readonly health: readonly {
    readonly service: string;
    readonly state: 'running' | 'stopped' | 'absent' | 'unknown';
    readonly since?: string;
  }[];
  readonly host: {
    readonly platform: string;
    readonly kernel: string;
    readonly engine: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly gates: readonly {
    readonly service: string;
    readonly check: 'process' | 'readiness' | 'model' | 'acceptance' | 'soak' | 'served';
    readonly passed: boolean;
    readonly expected: string;
    readonly found: string;
    readonly milliseconds: number;
  }[];
  readonly overrides?: readonly Override[];
  readonly ledger: LedgerHead;
}

export const receiptV1Schema: z.ZodType<ReceiptV1> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/receipt/v1'),
    site: field.name,
    at: field.moment,
    tool: field.line(128),
    intent: z.enum([...intents, 'statement']),
    outcome: z.enum(['kept', 'rolled-back']),
    generation: z.int().min(0),
    releases: z.array(
      z.strictObject({
        name: field.name,
        version: field.version,
        seq: field.sequence,
        bundle: field.hex(128),
      }),
    ),
    generations: z.array(z.int().min(1)),
    held: z.strictObject({ blobs: z.int().min(0), bytes: field.bytes }),
    health: z.array(
      z.strictObject({
        service: z.string().max(200),
        state: z.enum(['running', 'stopped', 'absent', 'unknown']),
        since: z.string().max(64).exactOptional(),
      }),
    ),
    host: z.strictObject({
      platform: z.string().max(64),
      kernel: field.line(256),
      engine: field.line(256),
      labels: z.record(z.string(), z.string()),
    }),
    gates: z.array(
      z.strictObject({
        service: field.name,
        check: z.enum(['process', 'readiness', 'model', 'acceptance', 'soak', 'served']),
        passed: z.boolean(),
        expected: z.string().max(70_000),
        found: z.string().max(70_000),
        milliseconds: z.int().min(0),
      }),
    ),
    overrides: z.array(override).min(1).max(1000).exactOptional(),
    ledger: ledgerHead,
  }),
);
