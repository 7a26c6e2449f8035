import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import {
  MAX_CERTIFICATE_BYTES,
  MAX_CONTROL_FILE_BYTES,
  MAX_RECEIPT_BUNDLES,
  MAX_RECEIPT_NOTICES,
  MIB,
} from '../core/limits.ts';
import { type ClusterRecord, clusterRecord } from './cluster-record.ts';
import { type DocumentKind, olderVersion, schemaMember } from './document.ts';
import * as field from './field.ts';
import { forEditors } from './for-editors.ts';
import { installerPath, installerPlatforms } from './installer.ts';
import { type LedgerHead, ledgerHead, type TakenNotice } from './ledger.ts';
import { partName } from './optional.ts';
import {
  type Intent,
  intents,
  type Override,
  override,
  type ServiceCommand,
  serviceCommands,
} from './override.ts';
import { MAX_POWERS } from './rendered-objects.ts';
import { type ReceiptV1, receiptV1Schema } from './v1/receipt.ts';

/** A bundle of which a site stores every blob. */
export interface HeldBundle {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  /** `running` in the current generation, `kept` for a rollback, or `imported` only. */
  readonly use: 'running' | 'kept' | 'imported';
  /** The optional parts that it stores, if it does not store all. The others count as not stored. */
  readonly parts?: readonly string[];
}

/** What a site stores, as far as it decides what must travel to it. The blobs follow from the bundles. */
export interface Holdings {
  /** Those that run first, then those that are kept, then by sequence, newest first. */
  readonly bundles: readonly HeldBundle[];
  /** How many more complete bundles are not listed; absent if none. */
  readonly unlisted?: number;
  readonly installers: readonly { readonly platform: string; readonly sha512: Sri }[];
  /** Free bytes on the file system of the store. */
  readonly free: number;
  /** Until when `gc` keeps the listed bundles; absent if that was not promised. */
  readonly heldUntil?: string;
}

export const holdings: z.ZodType<Holdings> = field.exact(
  z.strictObject({
    bundles: z
      .array(
        z.strictObject({
          name: field.name,
          version: field.version,
          seq: field.sequence,
          bundle: field.hex(128),
          use: z.enum(['running', 'kept', 'imported']),
          parts: z.array(partName).max(1000).exactOptional(),
        }),
      )
      .max(MAX_RECEIPT_BUNDLES),
    unlisted: z.int().min(1).exactOptional(),
    installers: z
      .array(
        z.strictObject({
          platform: forEditors(
            z.string().refine((value) => installerPath(value) !== undefined, 'expected a platform'),
            { pattern: installerPlatforms },
          ),
          sha512: field.sri,
        }),
      )
      .max(MAX_RECEIPT_BUNDLES),
    free: field.bytes,
    heldUntil: field.moment.exactOptional(),
  }),
);

export interface GateResult {
  readonly service: string;
  readonly check:
    | 'process'
    | 'readiness'
    | 'model'
    | 'acceptance'
    | 'soak'
    | 'served'
    | 'evaluation';
  readonly passed: boolean;
  readonly expected: string;
  readonly found: string;
  readonly milliseconds: number;
}

/** What came of the newest evaluation of an installed release. */
export interface EvaluationRecord {
  readonly release: string;
  readonly evaluation: string;
  readonly at: string;
  readonly generation: number;
  readonly questions: number;
  readonly passed: number;
  /** The pass rate by weight, a fraction of 1. */
  readonly rate: number;
  /** How many thresholds were missed. */
  readonly missed: number;
  /** SHA-256 of the signed result, 64 hex digits. */
  readonly result: string;
}

/** The state of one service. */
export interface ServiceHealth {
  readonly service: string;
  readonly state: 'running' | 'stopped' | 'absent' | 'unknown';
  readonly since?: string;
  /** Whether it passed its readiness check; absent if it does not run or has no such check. */
  readonly ready?: boolean;
  /** The fields in which it differs from what was applied; absent if there are none. */
  readonly drift?: readonly string[];
  /** When a person stopped it. */
  readonly stoppedAt?: string;
  /** What the objects of a chart may do beyond their namespace, one line each; absent if nothing. */
  readonly powers?: readonly string[];
}

const schemas = ['stowage/receipt/v2', 'stowage/receipt/v3', 'stowage/receipt/v4'] as const;

/** The site's signed statement of what it changed, stores and runs. */
export interface Receipt {
  /** Version 3 if a service has `powers`, version 4 with `holds`, `notices`, `evaluations` or an evaluation in `gates`. */
  readonly schema: (typeof schemas)[number];
  readonly site: string;
  readonly at: string;
  readonly tool: string;
  /** `statement` for a receipt that a person requested: nothing was changed. */
  readonly intent: Intent | ServiceCommand | 'statement';
  readonly outcome: 'kept' | 'rolled-back';
  /** The current generation. */
  readonly generation: number;
  readonly releases: readonly {
    readonly name: string;
    readonly version: string;
    readonly seq: number;
    readonly bundle: string;
  }[];
  /** All stored generations, ascending. */
  readonly generations: readonly number[];
  /** The content of the store. */
  readonly held: { readonly blobs: number; readonly bytes: number };
  /** What decides what must travel to the site; absent in receipts of earlier programs. */
  readonly holds?: Holdings;
  /** The newest notice of each issuer that the site has imported; absent if there is none. */
  readonly notices?: readonly TakenNotice[];
  /** The state of each service at the time of writing. */
  readonly health: readonly ServiceHealth[];
  readonly host: {
    readonly platform: string;
    readonly kernel: string;
    readonly engine: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** Absent if the services run on this host, or the cluster did not answer. */
  readonly cluster?: ClusterRecord;
  readonly gates: readonly GateResult[];
  /** The newest of each evaluation; absent if there are none. */
  readonly evaluations?: readonly EvaluationRecord[];
  /** The overrides of failed checks; absent if there were none. */
  readonly overrides?: readonly Override[];
  /** The last entry of the site's ledger at the time of writing. */
  readonly ledger: LedgerHead;
}

const schema: z.ZodType<Receipt> = field.exact(
  z.strictObject({
    schema: z.literal(schemas),
    site: field.name,
    at: field.moment,
    tool: field.line(128),
    intent: z.enum([...intents, ...serviceCommands, 'statement']),
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
    holds: holdings.exactOptional(),
    notices: z
      .array(z.strictObject({ issuer: field.name, serial: field.sequence, notice: field.hex(128) }))
      .min(1)
      .max(MAX_RECEIPT_NOTICES)
      .exactOptional(),
    health: z.array(
      z.strictObject({
        service: z.string().max(200),
        state: z.enum(['running', 'stopped', 'absent', 'unknown']),
        since: z.string().max(64).exactOptional(),
        ready: z.boolean().exactOptional(),
        drift: z.array(field.line(300)).min(1).max(1000).exactOptional(),
        stoppedAt: field.moment.exactOptional(),
        powers: z.array(field.line(1024)).min(1).max(MAX_POWERS).exactOptional(),
      }),
    ),
    host: z.strictObject({
      platform: z.string().max(64),
      kernel: field.line(256),
      engine: field.line(256),
      labels: z.record(z.string(), z.string()),
    }),
    cluster: clusterRecord.exactOptional(),
    gates: z.array(
      z.strictObject({
        service: field.name,
        check: z.enum([
          ...['process', 'readiness', 'model', 'acceptance', 'soak', 'served', 'evaluation'],
        ] as const),
        passed: z.boolean(),
        expected: z.string().max(70_000),
        found: z.string().max(70_000),
        milliseconds: z.int().min(0),
      }),
    ),
    evaluations: z
      .array(
        z.strictObject({
          release: field.name,
          evaluation: field.name,
          at: field.moment,
          generation: z.int().min(0),
          questions: z.int().min(0),
          passed: z.int().min(0),
          rate: z.number().min(0).max(1),
          missed: z.int().min(0),
          result: field.hex(64),
        }),
      )
      .min(1)
      .max(1000)
      .exactOptional(),
    overrides: z.array(override).min(1).max(1000).exactOptional(),
    ledger: ledgerHead,
  }),
);

export const receiptKind: DocumentKind<Receipt> = {
  name: 'receipt',
  versionIn: schemaMember('receipt'),
  older: [olderVersion(receiptV1Schema, convertV1)],
  span: schemas.length,
  code: 'document-invalid',
  schema,
  maxBytes: MAX_CONTROL_FILE_BYTES,
  hint: 'ask the site for the receipt again',
};

/** The first version of a receipt that has every field of this one. */
export function receiptSchema({
  health,
  holds,
  notices,
  evaluations,
  gates,
}: Pick<Receipt, 'health' | 'holds' | 'notices' | 'evaluations' | 'gates'>): Receipt['schema'] {
  const evaluated = evaluations !== undefined || gates.some(({ check }) => check === 'evaluation');
  if (holds !== undefined || notices !== undefined || evaluated) return schemas[2];
  return health.some(({ powers }) => powers !== undefined) ? schemas[1] : schemas[0];
}

/** A receipt of version 1 says nothing of readiness and drift. */
function convertV1({ schema: _, ...rest }: ReceiptV1): Receipt {
  return { schema: 'stowage/receipt/v2', ...rest };
}

/** A site's statement, signed with its old key, that another key signs its receipts from now on. */
export interface KeyHandover {
  readonly schema: 'stowage/key-handover/v1';
  readonly site: string;
  readonly at: string;
  /** The certificate of the new key: its DER in base64. */
  readonly certificate: string;
}

const handoverSchema: z.ZodType<KeyHandover> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/key-handover/v1'),
    site: field.name,
    at: field.moment,
    certificate: z.base64().max(MAX_CERTIFICATE_BYTES * 2),
  }),
);

export const keyHandoverKind: DocumentKind<KeyHandover> = {
  name: 'key handover',
  versionIn: schemaMember('key-handover'),
  code: 'document-invalid',
  schema: handoverSchema,
  maxBytes: MIB,
  hint: 'ask the site for the key handover again',
};
