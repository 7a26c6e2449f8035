import { admit } from '../../deploy/admit.ts';
import type { AdmittedBundle } from '../../deploy/admitted-bundle.ts';
import { discLabel, discNumber, findDiscs } from '../../deploy/discs.ts';
import type { GivenTrust } from '../../deploy/trust-anchor.ts';
import { examineParts, requireFaultless, verifyParts } from '../../deploy/verify.ts';
import { bundleBytes, bundleFiles } from '../../format/bundle.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { formatBytes } from '../units.ts';
import { approverLines, signerLines } from './signers.ts';
import { readTrustFile } from './trust-option.ts';
import type { ReportOptions } from './verify-report.ts';

export interface VerifyOptions extends ReportOptions {
  readonly trust: string;
}

export async function verify(
  given: readonly string[],
  options: VerifyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folders = await findDiscs(given.map((place) => context.path(place)));
  const [first = ''] = folders;
  const onDiscs = folders.length > 1 || discNumber(first) !== undefined;
  if (options.report.length === 0) {
    requireNoSigner(options);
    const trust = await readTrustFile(options.trust, context);
    if (onDiscs) return verifyDiscs(folders, trust, context);
    const admitted = await admit(folders, { ...context, trust: trust.trust });
    await verifyParts(admitted, context);
    return whole(admitted, trust, []);
  }
  if (onDiscs) throw usage('a report is of a bundle in one folder', 'one folder', given.join(', '));
  const { prepareReport, verifyWithReport } = await import('./verify-report.ts');
  const files = await prepareReport(options, first, context);
  const trust = await readTrustFile(options.trust, context);
  const { admitted, reports } = await verifyWithReport(first, trust, files, context);
  return whole(admitted, trust, reports);
}

/** Discs by themselves: each may stand alone, and what is not here is said and is no fault. */
async function verifyDiscs(
  folders: readonly string[],
  given: GivenTrust,
  context: CommandContext,
): Promise<CommandResult> {
  const admitted = await admit(folders, { ...context, trust: given.trust, partial: true });
  const verdict = await examineParts(admitted, context);
  requireFaultless(verdict.faults);
  const { bundle, id, signers } = admitted;
  if (verdict.absent.length === 0) return whole(admitted, given, []);
  const bytes = verdict.whole.reduce((sum, part) => sum + part.size, 0);
  const discs = folders.map(discLabel);
  const [seen, absent] = [verdict.whole.length, verdict.absent.length];
  return {
    json: {
      ...{ verified: true, complete: false, name: bundle.name, version: bundle.version, id },
      ...{ discs, parts: seen, bytes, signers, trust: given.fingerprint },
      absent: verdict.absent.map(({ path }) => path),
    },
    text: [
      `${discs.join(', ')} of ${bundle.name} ${bundle.version}: all that is here is whole and signed`,
      `  ${seen} parts, ${formatBytes(bytes)}, each compared with its SHA-512`,
      `  not here, on other discs: ${absent} parts`,
      ...signerLines(signers),
      `  trust: ${given.subject}, SHA-256 ${given.fingerprint}`,
      `  SHA-512 of SHA512SUMS: ${id}`,
      '',
    ].join('\n'),
  };
}

function requireNoSigner({ reportKey, reportCertificate }: VerifyOptions): void {
  if (reportKey === undefined && reportCertificate === undefined) return;
  throw usage('there is no report to sign', '--report FILE.json', 'none');
}

function whole(
  { bundle, id, signers, approvers }: AdmittedBundle,
  given: GivenTrust,
  reports: readonly string[],
): CommandResult {
  const files = bundleFiles(bundle).length + 1;
  const bytes = bundleBytes(bundle);
  return {
    json: {
      verified: true,
      name: bundle.name,
      version: bundle.version,
      seq: bundle.seq,
      id,
      files,
      bytes,
      signers,
      approvers,
      trust: given.fingerprint,
      ...(reports.length === 0 ? {} : { reports }),
    },
    text: [
      `${bundle.name} ${bundle.version} is whole and signed`,
      `  ${files} files, ${formatBytes(bytes)}, each compared with its SHA-512`,
      ...signerLines(signers),
      ...approverLines(approvers),
      `  trust: ${given.subject}, SHA-256 ${given.fingerprint}`,
      `  SHA-512 of SHA512SUMS: ${id}`,
      ...reports.map((path) => `  report: ${path}`),
      '',
    ].join('\n'),
  };
}
