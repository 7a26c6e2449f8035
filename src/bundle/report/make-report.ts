import { itemsIn, sections } from '../../content/items.ts';
import type { StowageError } from '../../core/error.ts';
import { type Bundle, bundleBytes, bundleFiles } from '../../format/bundle.ts';
import { checkDocument } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import type { Part } from '../../format/part.ts';
import {
  type Report,
  type ReportBundle,
  type ReportFailure,
  type ReportStep,
  reportKind,
} from '../../format/report.ts';
import type { ReportContents } from '../../format/report-contents.ts';
import type { GivenTrust } from '../admission/trust-anchor.ts';
import type { PartVerdict } from '../verify.ts';
import { admittedFacts, type Facts, refusedFacts } from './facts.ts';
import { describeHost, describeTool, type Running } from './program.ts';
import { reportLine } from './report-line.ts';
import { knownSteps, stepMeaning } from './step-meaning.ts';
import { describeTrust } from './trust.ts';
import { unchecked } from './unchecked.ts';
import type { VerificationRecord, WitnessedStep } from './witness.ts';

export interface ReportOptions {
  /** Where the bundle or its discs lay. */
  readonly folders: readonly string[];
  readonly given: GivenTrust;
  readonly running: Running;
  /** What the verification failed with. */
  readonly failure?: StowageError;
}

/**
 * The evidence of a verification. Of a bundle that was refused, what it says of itself is read once more.
 * @throws StowageError `io-failed` when the program's own files cannot be read
 */
export async function makeReport(
  witnessed: VerificationRecord,
  options: ReportOptions,
): Promise<Report> {
  const { given, failure, folders, running } = options;
  const { admitted, verdict, startedAt, endedAt } = witnessed;
  const facts =
    admitted === undefined
      ? await refusedFacts(folders[0] ?? '', given.trust, endedAt)
      : admittedFacts(admitted);
  const { bundle } = facts;
  const steps = allSteps(witnessed, facts);
  const absent = verdict === undefined ? undefined : amountOf(verdict.absent);
  const missing = absent !== undefined && absent.parts > 0 ? { absent } : {};
  const trust = describeTrust(given, facts.trust);
  return checkDocument(reportKind, {
    schema: 'stowage/report/v1',
    outcome: failure !== undefined ? 'failed' : 'absent' in missing ? 'incomplete' : 'passed',
    startedAt: momentOf(startedAt),
    endedAt: momentOf(endedAt),
    milliseconds: Math.max(0, endedAt.getTime() - startedAt.getTime()),
    folder: reportLine(folders.join(', ')),
    ...missing,
    ...(facts.id === undefined ? {} : { id: facts.id }),
    ...(bundle === undefined ? {} : { bundle: identityOf(bundle) }),
    ...(failure === undefined ? {} : { failure: describeFailure(failure) }),
    steps,
    signatures: facts.signatures,
    trust,
    ...(bundle === undefined ? {} : { contents: contentsOf(bundle) }),
    ...(facts.findings === undefined ? {} : { findings: facts.findings }),
    unchecked: unchecked({ steps, facts, trust, ...missing }),
    tool: await describeTool(running.program),
    host: describeHost(running),
  });
}

function allSteps({ steps: run, verdict }: VerificationRecord, facts: Facts): ReportStep[] {
  const began = new Set(run.map((each) => each.name));
  const known = knownSteps.filter((name) => name !== 'trust' || run.length === 0);
  const order = (name: string): number => knownSteps.indexOf(name);
  const steps = [
    ...run.map((each) => describeStep(each, facts, verdict)),
    ...known
      .filter((name) => !began.has(name))
      .map((name): ReportStep => ({ name, checks: stepMeaning(name), outcome: 'not-run' })),
  ];
  return steps.every((each) => order(each.name) >= 0)
    ? steps.sort((a, b) => order(a.name) - order(b.name))
    : steps;
}

function describeStep(
  step: WitnessedStep,
  { bundle, signatures }: Facts,
  verdict: PartVerdict | undefined,
): ReportStep {
  const { name, outcome, milliseconds, bytes } = step;
  const common = { name, checks: stepMeaning(name), outcome, milliseconds };
  const read = bytes === undefined ? {} : { bytes };
  if (outcome === 'failed' || bundle === undefined) return { ...common, ...read };
  const files = bundleFiles(bundle);
  switch (name) {
    case 'signatures':
      return { ...common, signatures: signatures.length };
    case 'index':
      return { ...common, files: 1 };
    case 'inventory':
      return { ...common, files: files.length + 1 };
    case 'verify': {
      const { parts, bytes: checked } = amountOf(verdict?.whole ?? []);
      return { ...common, files: parts, bytes: checked };
    }
    default:
      return { ...common, ...read };
  }
}

function amountOf(parts: readonly Part[]): { readonly parts: number; readonly bytes: number } {
  return { parts: parts.length, bytes: parts.reduce((sum, part) => sum + part.size, 0) };
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
  const { name, version, channel, description, seq, resolvedAt, platforms } = bundle;
  return {
    ...{ name, version, channel, description, seq, resolvedAt, platforms },
    files: bundleFiles(bundle).length + 1,
    bytes: bundleBytes(bundle),
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
