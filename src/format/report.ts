import * as z from 'zod';
import { MAX_BUNDLE_FILES, MAX_CONTROL_FILE_BYTES, MAX_SIGNATURES } from '../core/limits.ts';
import { usesCluster } from './cluster-content.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';
import { type Finding, finding } from './finding.ts';
import { partName } from './optional.ts';
import { contents, type ReportContents } from './report-contents.ts';
import {
  type ReportTrust,
  reportTrust,
  serialNumber,
  reportWords as words,
} from './report-trust.ts';
import { type AlgorithmName, algorithmName } from './trust.ts';

export type { ReportContents } from './report-contents.ts';

/** The result of one step of a verification. */
export interface ReportStep {
  readonly name: string;
  /** What the step checks, for readers who do not know the code. */
  readonly checks: string;
  readonly outcome: 'passed' | 'failed' | 'not-run';
  /** How many items of each kind the step checked; absent if they were not counted. */
  readonly signatures?: number;
  readonly files?: number;
  readonly bytes?: number;
  /** Absent for a step that was not run. */
  readonly milliseconds?: number;
}

/** The error of a failed verification. */
export interface ReportFailure {
  readonly code: string;
  readonly exitStatus: number;
  readonly message: string;
  readonly expected: string;
  readonly found: string;
  readonly hint: string;
  readonly defects: readonly string[];
}

/** The verdict on one signature file. */
export interface ReportSignature {
  readonly file: string;
  readonly counted: boolean;
  /** Why it does not count. */
  readonly reason?: string;
  /** Present if it counts for the role `approval`, and that role has enough signatures. */
  readonly approves?: true;
  /** Absent for an invalid signature: its signer is unknown. */
  readonly signer?: {
    readonly subject: string;
    readonly serial: string;
    /** SHA-256 of the signer's certificate, 64 hex digits. */
    readonly certificate: string;
    /** SHA-256 of the signer's public key. */
    readonly key: string;
    readonly algorithm: AlgorithmName;
    /** The time that the signer claims. */
    readonly signingTime: string;
    /** The name of the signer's root in the trust document. */
    readonly root?: string;
  };
}

/** The verified bundle, from its signed index. */
export interface ReportBundle {
  readonly name: string;
  readonly version: string;
  readonly channel: string;
  readonly description: string;
  readonly seq: number;
  readonly resolvedAt: string;
  readonly platforms: readonly string[];
  /** Files that `SHA512SUMS` lists. */
  readonly files: number;
  /** Bytes of all parts. */
  readonly bytes: number;
  /** Its optional parts, such as `model/large`; absent for a bundle without any. */
  readonly optional?: readonly string[];
}

/** The program that verified, as it describes itself. */
export interface ReportTool {
  readonly name: string;
  readonly version: string;
  /**
   * SHA-512 of the output of `sha512sum *.js` in the program's folder, in the order of the C locale; absent for a program
   * that runs from its sources.
   */
  readonly sha512?: string;
  /** The number of those files. */
  readonly files?: number;
}

/** The rehearsal that is attached to a bundle. */
export interface ReportRehearsal {
  /** In words: the result, where and when it was; or why it does not count. */
  readonly summary: string;
  /** Absent if it does not count; so are the other members. */
  readonly passed?: boolean;
  readonly at?: string;
  readonly target?: string;
  /** SHA-256 of what was rehearsed: the content of the bundle. */
  readonly content?: string;
}

const schemas = ['stowage/report/v1', 'stowage/report/v2'] as const;

/** The first version that has every field of a report. */
export function reportSchema({
  contents,
  bundle: of,
  absent,
  rehearsal: attached,
}: Pick<Report, 'contents' | 'bundle' | 'absent' | 'rehearsal'>): Report['schema'] {
  const names = of?.optional ?? absent?.optional;
  const cluster = contents !== undefined && usesCluster(contents);
  const later = cluster || names !== undefined || attached !== undefined;
  return later ? schemas[1] : schemas[0];
}

/** Evidence of one verification of one bundle, for a file. */
export interface Report {
  /** Version 2 if the contents have charts or objects, or the bundle has optional parts or a rehearsal. */
  readonly schema: (typeof schemas)[number];
  /** `incomplete`: everything present is as signed, but parts are missing. */
  readonly outcome: 'passed' | 'incomplete' | 'failed';
  readonly startedAt: string;
  readonly endedAt: string;
  readonly milliseconds: number;
  /** The path of the bundle, or the paths of its discs, separated by commas. */
  readonly folder: string;
  /** The parts on media that were not given; present if the outcome is `incomplete`. */
  readonly absent?: {
    readonly parts: number;
    readonly bytes: number;
    /** The optional parts that are therefore not complete; absent if there is none. */
    readonly optional?: readonly string[];
  };
  /** SHA-512 of `SHA512SUMS`, the id of the bundle; absent if it could not be read. */
  readonly id?: string;
  /** Absent unless its signatures are valid. */
  readonly bundle?: ReportBundle;
  readonly failure?: ReportFailure;
  readonly steps: readonly ReportStep[];
  /** Every signature file that could be read. */
  readonly signatures: readonly ReportSignature[];
  readonly trust: ReportTrust;
  readonly contents?: ReportContents;
  /** The findings recorded at packing; absent if the bundle has none. */
  readonly findings?: readonly Finding[];
  /** Absent if none is attached, or the bundle was rejected. */
  readonly rehearsal?: ReportRehearsal;
  readonly unchecked: readonly { readonly what: string; readonly why: string }[];
  readonly tool: ReportTool;
  readonly host: { readonly platform: string; readonly node: string; readonly openssl: string };
}

const optional = z.array(partName).min(1).max(1000);
const fingerprint = field.hex(64);
const step: z.ZodType<ReportStep> = field.exact(
  z.strictObject({
    name: field.name,
    checks: words,
    outcome: z.enum(['passed', 'failed', 'not-run']),
    signatures: field.bytes.exactOptional(),
    files: field.bytes.exactOptional(),
    bytes: field.bytes.exactOptional(),
    milliseconds: field.bytes.exactOptional(),
  }),
);

const failure: z.ZodType<ReportFailure> = field.exact(
  z.strictObject({
    code: field.name,
    exitStatus: z.int().min(1).max(255),
    message: words,
    expected: words,
    found: words,
    hint: words,
    defects: z.array(words).max(1000),
  }),
);

const signature: z.ZodType<ReportSignature> = field.exact(
  z.strictObject({
    file: field.mediaPath,
    counted: z.boolean(),
    reason: words.exactOptional(),
    approves: z.literal(true).exactOptional(),
    signer: z
      .strictObject({
        subject: words,
        serial: serialNumber,
        certificate: fingerprint,
        key: fingerprint,
        algorithm: algorithmName,
        signingTime: field.moment,
        root: field.name.exactOptional(),
      })
      .exactOptional(),
  }),
);

const bundle: z.ZodType<ReportBundle> = field.exact(
  z.strictObject({
    name: field.name,
    version: field.version,
    channel: field.name,
    description: field.line(500),
    seq: field.sequence,
    resolvedAt: field.moment,
    platforms: z.array(field.line(64)).max(8),
    files: field.bytes,
    bytes: field.bytes,
    optional: optional.exactOptional(),
  }),
);

const tool: z.ZodType<ReportTool> = field.exact(
  z.strictObject({
    name: field.name,
    version: field.version,
    sha512: field.hex(128).exactOptional(),
    files: field.bytes.exactOptional(),
  }),
);

const rehearsal: z.ZodType<ReportRehearsal> = field.exact(
  z.strictObject({
    summary: words,
    passed: z.boolean().exactOptional(),
    at: field.moment.exactOptional(),
    target: field.name.exactOptional(),
    content: field.hex(64).exactOptional(),
  }),
);

const schema: z.ZodType<Report> = field.exact(
  z
    .strictObject({
      schema: z.literal(schemas),
      outcome: z.enum(['passed', 'incomplete', 'failed']),
      startedAt: field.moment,
      endedAt: field.moment,
      milliseconds: field.bytes,
      folder: words,
      absent: z
        .strictObject({
          parts: z.int().min(1),
          bytes: field.bytes,
          optional: optional.exactOptional(),
        })
        .exactOptional(),
      id: field.hex(128).exactOptional(),
      bundle: bundle.exactOptional(),
      failure: failure.exactOptional(),
      steps: z.array(step).max(100),
      signatures: z.array(signature).max(MAX_SIGNATURES),
      trust: reportTrust,
      contents: contents.exactOptional(),
      findings: z.array(finding).max(MAX_BUNDLE_FILES).exactOptional(),
      rehearsal: rehearsal.exactOptional(),
      unchecked: z.array(z.strictObject({ what: words, why: words })).min(1),
      tool,
      host: z.strictObject({ platform: words, node: words, openssl: words }),
    })
    .superRefine((report, context) => {
      const defect = (path: string, message: string): void => {
        context.addIssue({ code: 'custom', path: [path], message });
      };
      const { outcome } = report;
      if (report.schema === schemas[0] && reportSchema(report) !== schemas[0])
        defect('schema', `the contents have fields of ${schemas[1]}`);
      const failed = outcome === 'failed';
      if (failed !== (report.failure !== undefined))
        defect('failure', `expected ${failed ? 'one' : 'none'} for outcome ${outcome}`);
      if ((outcome === 'incomplete') !== (report.absent !== undefined))
        defect('absent', `the missing parts contradict the outcome ${outcome}`);
      if (failed) return;
      if (report.steps.some((each) => each.outcome === 'failed'))
        defect('steps', `a step failed, but the outcome is ${outcome}`);
      for (const name of ['id', 'bundle', 'contents'] as const)
        if (report[name] === undefined)
          defect(name, `missing from a report with outcome ${outcome}`);
      if (!report.signatures.some((each) => each.counted))
        defect('signatures', `none counted, but the outcome is ${outcome}`);
    }),
);

export const reportKind: DocumentKind<Report> = {
  name: 'report',
  versionIn: schemaMember('report'),
  span: schemas.length,
  code: 'document-invalid',
  schema,
  maxBytes: MAX_CONTROL_FILE_BYTES,
  hint: 'ask for another copy of the report, or verify again',
};
