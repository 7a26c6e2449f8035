import { createHash } from 'node:crypto';
import * as z from 'zod';
import { canonicalBytes, type Json } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import type { Bundle } from './bundle.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';
import { exact } from './field.ts';

/** Attempts to reach out that have the same destination and come from the same service. */
export interface RehearsedAttempt {
  /** `dns` is a lookup; `other` has no ports, such as ICMP. */
  readonly protocol: 'dns' | 'tcp' | 'udp' | 'other';
  /** From the lookup, the TLS server name or the Host of a request; absent for an address without a name. */
  readonly name?: string;
  readonly address?: string;
  readonly port?: number;
  readonly sni?: string;
  /** The Host of plain HTTP, and up to ten methods and paths. */
  readonly host?: string;
  readonly paths: readonly string[];
  /** Absent if it is not known. */
  readonly service?: string;
  /** Up to ten processes, each with its first argument. */
  readonly processes: readonly string[];
  readonly count: number;
  readonly first: string;
  readonly last: string;
  /** What it was for and the setting that stops it, where that is known. */
  readonly purpose?: string;
  readonly remedy?: string;
  /** The reason in `knownEgress` of the manifest. */
  readonly known?: string;
}

/** What one service needed and did. */
export interface RehearsedService {
  readonly name: string;
  /** From its start until it was ready. */
  readonly readySeconds?: number;
  readonly peakMemoryBytes?: number;
  /** Tokens that the server accepts in one request. */
  readonly context?: number;
  /** Generated in a second, of the evaluations. */
  readonly tokensPerSecond?: number;
  /** What it wrote outside of its mounts: files, bytes and up to 50 paths. */
  readonly written?: {
    readonly files: number;
    readonly bytes: number;
    readonly paths: readonly string[];
  };
  /** Up to 50 processes that were seen, each with its first argument. */
  readonly processes: readonly string[];
}

/** A signed statement that a release was installed in a sealed network, and what it did there. */
export interface Rehearsal {
  readonly schema: 'stowage/rehearsal/v1';
  readonly at: string;
  readonly tool: string;
  readonly target: string;
  readonly engine: { readonly name: string; readonly version: string; readonly rootless: boolean };
  readonly platform: string;
  readonly release: { readonly name: string; readonly version: string; readonly seq: number };
  /** {@link rehearsedDigest} of the bundle, 64 hex digits. */
  readonly content: string;
  readonly passed: boolean;
  /** Why it did not pass; empty if it did. */
  readonly failures: readonly string[];
  readonly gates: readonly {
    readonly service: string;
    readonly check: string;
    readonly passed: boolean;
    readonly found: string;
    readonly milliseconds: number;
  }[];
  readonly evaluations: readonly {
    readonly name: string;
    readonly questions: number;
    readonly passed: number;
    readonly rate: number;
    readonly missed: readonly string[];
    readonly tokensPerSecond?: number;
  }[];
  readonly attempts: readonly RehearsedAttempt[];
  readonly services: readonly RehearsedService[];
  /**
   * The most memory of the host that was in use beyond what was in use before; on a cluster, the most that all services used together,
   * absent without metrics of its pods.
   */
  readonly peakMemoryBytes?: number;
  /** What this rehearsal could not see, in words. */
  readonly unseen: readonly string[];
}

/**
 * What a rehearsal is bound to: the bundle without how it is divided into parts and without its control files, of which the
 * rehearsal becomes one. SHA-256 of canonical JSON, 64 hex digits.
 */
export function rehearsedDigest(bundle: Bundle): string {
  const {
    control: _,
    installers: __,
    parity: ___,
    partSize: ____,
    schema: _____,
    ...rest
  } = bundle;
  const blobs = bundle.blobs
    .map(({ digest, size }) => ({ digest, size }))
    .toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  return createHash('sha256')
    .update(canonicalBytes({ ...rest, blobs } as unknown as Json))
    .digest('hex');
}

/** Where a bundle has its rehearsal, and the signature of the throw-away site. */
export const rehearsalPaths = {
  document: 'attestations/rehearsal.json',
  signature: 'attestations/rehearsal.p7s',
} as const;

export const MAX_ATTEMPTS = 2_000;
const count = z.int().min(0);
const rate = z.number().min(0).max(1);
const command = field.line(128);

const attempt: z.ZodType<RehearsedAttempt> = exact(
  z.strictObject({
    protocol: z.enum(['dns', 'tcp', 'udp', 'other']),
    name: field.line(253).exactOptional(),
    address: field.line(64).exactOptional(),
    port: z.int().min(0).max(65_535).exactOptional(),
    sni: field.line(253).exactOptional(),
    host: field.line(253).exactOptional(),
    paths: z.array(field.line(256)).max(10),
    service: field.name.exactOptional(),
    processes: z.array(command).max(10),
    count: z.int().min(1),
    first: field.moment,
    last: field.moment,
    purpose: field.line(200).exactOptional(),
    remedy: field.line(500).exactOptional(),
    known: field.line(500).exactOptional(),
  }),
);

const service: z.ZodType<RehearsedService> = exact(
  z.strictObject({
    name: field.name,
    readySeconds: z.number().min(0).exactOptional(),
    peakMemoryBytes: count.exactOptional(),
    context: count.exactOptional(),
    tokensPerSecond: z.number().min(0).exactOptional(),
    written: z
      .strictObject({ files: count, bytes: count, paths: z.array(field.line(512)).max(50) })
      .exactOptional(),
    processes: z.array(command).max(50),
  }),
);

const schema: z.ZodType<Rehearsal> = exact(
  z.strictObject({
    schema: z.literal('stowage/rehearsal/v1'),
    at: field.moment,
    tool: field.line(128),
    target: field.name,
    engine: z.strictObject({
      name: field.line(64),
      version: field.line(64),
      rootless: z.boolean(),
    }),
    platform: field.platform,
    release: z.strictObject({ name: field.name, version: field.version, seq: field.sequence }),
    content: field.hex(64),
    passed: z.boolean(),
    failures: z.array(field.line(1000)).max(MAX_ATTEMPTS + 200),
    gates: z
      .array(
        z.strictObject({
          service: field.name,
          check: field.line(64),
          passed: z.boolean(),
          found: field.line(1000),
          milliseconds: z.number().min(0),
        }),
      )
      .max(1000),
    evaluations: z
      .array(
        z.strictObject({
          name: field.name,
          questions: count,
          passed: count,
          rate,
          missed: z.array(field.line(500)).max(1000),
          tokensPerSecond: z.number().min(0).exactOptional(),
        }),
      )
      .max(64),
    attempts: z.array(attempt).max(MAX_ATTEMPTS),
    services: z.array(service).max(64),
    peakMemoryBytes: count.exactOptional(),
    unseen: z.array(field.line(500)).max(100),
  }),
);

export const rehearsalKind: DocumentKind<Rehearsal> = {
  name: 'rehearsal',
  versionIn: schemaMember('rehearsal'),
  code: 'document-invalid',
  schema,
  maxBytes: 8 * MIB,
  hint: 'run stowage rehearse again, or get the file from the release engineer again',
};
