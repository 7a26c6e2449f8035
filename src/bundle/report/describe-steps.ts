import { bundleFiles } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import type { ReportStep } from '../../format/report.ts';
import type { PartVerdict } from '../verify.ts';
import type { BundleFacts } from './bundle-facts.ts';
import type { RecordedStep, VerificationRecord } from './verification-record.ts';

/** What each step of a verification checks, in order, for readers who do not know the code. */
const meanings: ReadonlyMap<string, string> = new Map([
  ['trust', 'whether newer trust documents in the bundle are signed as their predecessors require'],
  [
    'signatures',
    'each signature over SHA512SUMS: whether it is valid, its certificate and root are trusted and its algorithm is allowed, and whether enough different keys signed',
  ],
  [
    'index',
    'whether SHA512SUMS is well-formed, and whether bundle.json matches its digest there and follows its schema',
  ],
  [
    'identity',
    'whether the trust document allows the channel; at a site, also whether the site accepts the channel and has the right platform',
  ],
  [
    'sequence',
    'whether the sequence is at or above the minimum in the trust document; at a site, also that the bundle is not older than the last one imported and was not recalled',
  ],
  [
    'inventory',
    'whether SHA512SUMS and bundle.json list the same files, whether the medium holds exactly these, without links or devices, and whether the control files match their digests',
  ],
  ['verify', 'whether every part and installer matches its SHA-512 digest'],
]);

/** The steps of a verification without a site, in order. */
const knownSteps: readonly string[] = [...meanings.keys()].filter((name) => name !== 'trust');

function stepMeaning(name: string): string {
  return meanings.get(name) ?? 'not described in this version of the report';
}

/** Every step of a verification in order, including those that were not run. */
export function describeSteps(
  { steps: run, verdict }: VerificationRecord,
  facts: BundleFacts,
): ReportStep[] {
  const began = new Set(run.map((each) => each.name));
  const order = (name: string): number => knownSteps.indexOf(name);
  const steps = [
    ...run.map((each) => describeStep(each, facts, verdict)),
    ...knownSteps
      .filter((name) => !began.has(name))
      .map((name): ReportStep => ({ name, checks: stepMeaning(name), outcome: 'not-run' })),
  ];
  return steps.every((each) => order(each.name) >= 0)
    ? steps.sort((a, b) => order(a.name) - order(b.name))
    : steps;
}

function describeStep(
  step: RecordedStep,
  { bundle, signatures }: BundleFacts,
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

/** How many parts, and their total size in bytes. */
export function amountOf(parts: readonly Part[]): {
  readonly parts: number;
  readonly bytes: number;
} {
  return { parts: parts.length, bytes: parts.reduce((sum, part) => sum + part.size, 0) };
}
