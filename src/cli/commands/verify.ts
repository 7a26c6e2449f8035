import { admit } from '../../deploy/admit.ts';
import type { AdmittedBundle } from '../../deploy/admitted-bundle.ts';
import type { GivenTrust } from '../../deploy/trust-anchor.ts';
import { verifyParts } from '../../deploy/verify.ts';
import { bundleBytes, bundleFiles } from '../../format/bundle.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { formatBytes } from '../units.ts';
import { signerLines } from './signers.ts';
import { readTrustFile } from './trust-option.ts';
import type { ReportOptions } from './verify-report.ts';

export interface VerifyOptions extends ReportOptions {
  readonly trust: string;
}

export async function verify(
  folder: string,
  options: VerifyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(folder);
  if (options.report.length === 0) {
    requireNoSigner(options);
    const given = await readTrustFile(options.trust, context);
    const admitted = await admit(place, { ...context, trust: given.trust });
    await verifyParts(admitted, context);
    return whole(admitted, given, []);
  }
  const { prepareReport, verifyWithReport } = await import('./verify-report.ts');
  const files = await prepareReport(options, place, context);
  const given = await readTrustFile(options.trust, context);
  const { admitted, reports } = await verifyWithReport(place, given, files, context);
  return whole(admitted, given, reports);
}

function requireNoSigner({ reportKey, reportCertificate }: VerifyOptions): void {
  if (reportKey === undefined && reportCertificate === undefined) return;
  throw usage('there is no report to sign', '--report FILE.json', 'none');
}

function whole(
  { bundle, id, signers }: AdmittedBundle,
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
      trust: given.fingerprint,
      ...(reports.length === 0 ? {} : { reports }),
    },
    text: [
      `${bundle.name} ${bundle.version} is whole and signed`,
      `  ${files} files, ${formatBytes(bytes)}, each compared with its SHA-512`,
      ...signerLines(signers),
      `  trust: ${given.subject}, SHA-256 ${given.fingerprint}`,
      `  SHA-512 of SHA512SUMS: ${id}`,
      ...reports.map((path) => `  report: ${path}`),
      '',
    ].join('\n'),
  };
}
