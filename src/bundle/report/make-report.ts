import { itemsIn, sections } from '../../content/items.ts';
import type { StowageError } from '../../core/error.ts';
import { type Bundle, bundleSize } from '../../format/bundle.ts';
import { checkDocument } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import { optionalNames } from '../../format/optional.ts';
import type { Part } from '../../format/part.ts';
import {
  type Report,
  type ReportBundle,
  type ReportFailure,
  type ReportRehearsal,
  reportKind,
  reportSchema,
} from '../../format/report.ts';
import type { ReportContents } from '../../format/report-contents.ts';
import { absentParts } from '../absent-parts.ts';
import type { GivenTrust } from '../admission/trust-files.ts';
import { type AttachedRehearsal, attachedInWords } from '../rehearsal/attached-rehearsal.ts';
import { admittedFacts, refusedFacts } from './bundle-facts.ts';
import { amountOf, describeSteps } from './describe-steps.ts';
import { describeTrust } from './describe-trust.ts';
import { describeHost, describeTool, type Running } from './program.ts';
import { reportLine } from './report-line.ts';
import { unchecked } from './unchecked.ts';
import type { VerificationRecord } from './verification-record.ts';

export interface ReportOptions {
  /** The folders of the bundle or of its discs. */
  readonly folders: readonly string[];
  readonly given: GivenTrust;
  readonly running: Running;
  /** Why the verification failed. */
  readonly failure?: StowageError;
}

/**
 * The report of a verification. A rejected bundle is read again to identify it.
 * @throws StowageError `io-failed` when the program's own files cannot be read
 */
export async function makeReport(
  record: VerificationRecord,
  options: ReportOptions,
): Promise<Report> {
  const { given, failure, folders, running } = options;
  const { admitted, verdict, startedAt, endedAt } = record;
  const facts =
    admitted === undefined
      ? await refusedFacts(folders[0] ?? '', given.trust, endedAt)
      : await admittedFacts(admitted);
  const { bundle } = facts;
  const contents = bundle && contentsOf(bundle);
  const rehearsal = facts.attached && rehearsalOf(facts.attached);
  const steps = describeSteps(record, facts);
  // The parts that a failed verification did not find are listed in its error.
  const absent =
    failure === undefined && bundle ? absentOf(bundle, verdict?.absent ?? []) : undefined;
  const missing = absent === undefined ? {} : { absent };
  const identity = bundle && identityOf(bundle);
  const trust = describeTrust(given, facts.trust);
  return checkDocument(reportKind, {
    schema: reportSchema({
      ...missing,
      ...(contents && { contents }),
      ...(identity && { bundle: identity }),
      ...(rehearsal && { rehearsal }),
    }),
    outcome: failure !== undefined ? 'failed' : 'absent' in missing ? 'incomplete' : 'passed',
    startedAt: momentOf(startedAt),
    endedAt: momentOf(endedAt),
    milliseconds: Math.max(0, endedAt.getTime() - startedAt.getTime()),
    folder: reportLine(folders.join(', ')),
    ...missing,
    ...(facts.id === undefined ? {} : { id: facts.id }),
    ...(identity === undefined ? {} : { bundle: identity }),
    ...(failure === undefined ? {} : { failure: describeFailure(failure) }),
    steps,
    signatures: facts.signatures,
    trust,
    ...(contents === undefined ? {} : { contents }),
    ...(facts.findings === undefined ? {} : { findings: facts.findings }),
    ...(rehearsal === undefined ? {} : { rehearsal }),
    unchecked: unchecked({ steps, facts, trust, ...missing, readAll: verdict !== undefined }),
    tool: await describeTool(running.program),
    host: describeHost(running),
  });
}

function absentOf(bundle: Bundle, parts: readonly Part[]): Report['absent'] {
  if (parts.length === 0) return undefined;
  const optional = absentParts(bundle, parts).parts;
  return { ...amountOf(parts), ...(optional.length === 0 ? {} : { optional }) };
}

function rehearsalOf(attached: AttachedRehearsal): ReportRehearsal | undefined {
  const summary = attachedInWords(attached);
  if (summary === undefined) return undefined;
  const { rehearsal } = attached;
  if (rehearsal === undefined) return { summary: reportLine(summary) };
  const { passed, at, target, content } = rehearsal;
  return { summary: reportLine(summary), passed, at, target, content };
}

function describeFailure(error: StowageError): ReportFailure {
  const { code, exitStatus, message, expected = '', found = '', hint, defects } = error;
  return {
    code,
    exitStatus,
    message: reportLine(message),
    expected: reportLine(expected),
    found: reportLine(found),
    hint: reportLine(hint),
    defects: defects.slice(0, 1000).map(reportLine),
  };
}

function identityOf(bundle: Bundle): ReportBundle {
  const { files, bytes } = bundleSize(bundle);
  const optional = optionalNames(bundle);
  const { name, version, channel, description, seq, resolvedAt, platforms } = bundle;
  return {
    ...{ name, version, channel, description, seq, resolvedAt, platforms },
    files,
    bytes,
    ...(optional.length === 0 ? {} : { optional }),
  };
}

function contentsOf(bundle: Bundle): ReportContents {
  const contents = sections<'reported'>((kind) =>
    itemsIn<'bundled'>(bundle, kind).map((item) => kind.reported(item)),
  );
  return {
    ...contents,
    ...(bundle.recalls === undefined ? {} : { recalls: bundle.recalls }),
  };
}
