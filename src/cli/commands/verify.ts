import { absentParts } from '../../bundle/absent-parts.ts';
import type { GivenTrust } from '../../bundle/admission/trust-files.ts';
import { discLabel, findDiscs, onDiscs } from '../../bundle/discs.ts';
import { isNoticeFolder } from '../../bundle/notice/read-notice.ts';
import { verifyFolders } from '../../bundle/report/verification-record.ts';
import { counted, formatBytes } from '../../core/text.ts';
import { bundleSize, totalSize } from '../../format/bundle.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { absentPartLines } from './optional-lines.ts';
import { signerLines } from './signers.ts';
import { readTrustFile } from './trust-option.ts';
import type { Reported, ReportOptions } from './verify-report.ts';

export interface VerifyOptions extends ReportOptions {
  readonly trust: string;
}

export async function verify(
  given: readonly string[],
  options: VerifyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folders = await findDiscs(given.map((place) => context.path(place)));
  if (options.report.length === 0) {
    requireNoSigner(options);
    const [folder] = folders;
    if (folder !== undefined && folders.length === 1 && (await isNoticeFolder(folder))) {
      const { showNotice } = await import('./notice.ts');
      return showNotice(folder, options, context);
    }
    const trust = await readTrustFile(options.trust, context);
    const partial = options.partial === true;
    const verified = await verifyFolders(folders, { ...context, trust: trust.trust, partial });
    return resultOf(folders, trust, { ...verified, reports: [] });
  }
  const { prepareReport, verifyWithReport } = await import('./verify-report.ts');
  const prepared = await prepareReport(options, folders, context);
  const files = { ...prepared, partial: options.partial === true };
  const trust = await readTrustFile(options.trust, context);
  return resultOf(folders, trust, await verifyWithReport(folders, trust, files, context));
}

function resultOf(
  folders: readonly string[],
  given: GivenTrust,
  reported: Reported,
): CommandResult {
  return reported.verdict.absent.length === 0
    ? whole(given, reported)
    : partOf(folders, given, reported);
}

/** The result for some of the discs, or an increment. Parts that are not there are listed and are not a fault. */
function partOf(
  folders: readonly string[],
  given: GivenTrust,
  { admitted, verdict, reports }: Reported,
): CommandResult {
  const { bundle, id, signers } = admitted;
  const bytes = totalSize(verdict.whole);
  const absentBytes = totalSize(verdict.absent);
  const where = onDiscs(folders) ? 'on other discs' : 'not in this folder';
  const discs = folders.map(discLabel);
  const [seen, absent] = [verdict.whole.length, verdict.absent.length];
  return {
    json: {
      ...{ verified: true, complete: false, name: bundle.name, version: bundle.version, id },
      ...{ discs, parts: seen, bytes, signers, trust: given.fingerprint },
      absent: verdict.absent.map(({ path }) => path),
      optionalAbsent: absentParts(bundle, verdict.absent).parts,
      absentBytes,
      ...(reports.length === 0 ? {} : { reports }),
    },
    text: [
      `verified: ${discs.join(', ')} of ${bundle.name} ${bundle.version}`,
      `  ${counted(seen, 'part')}, ${formatBytes(bytes)}, each compared with its SHA-512`,
      `  not checked, ${where}: ${counted(absent, 'part')}, ${formatBytes(absentBytes)}`,
      ...absentPartLines(bundle, verdict.absent),
      ...endLines(given, { admitted, verdict, reports }),
    ].join('\n'),
  };
}

function endLines(given: GivenTrust, { admitted, reports }: Reported): string[] {
  return [
    ...signerLines(admitted.signers, admitted.approvers),
    `  trust: ${given.subject}, SHA-256 ${given.fingerprint}`,
    `  SHA-512 of SHA512SUMS: ${admitted.id}`,
    ...reports.map((path) => `  report: ${path}`),
    '',
  ];
}

function requireNoSigner({ reportKey, reportCertificate }: VerifyOptions): void {
  if (reportKey === undefined && reportCertificate === undefined) return;
  throw usage('no report to sign', '--report FILE.json', 'none');
}

function whole(given: GivenTrust, reported: Reported): CommandResult {
  const { bundle, id, signers, approvers } = reported.admitted;
  const { reports } = reported;
  const { files, bytes } = bundleSize(bundle);
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
      `verified: ${bundle.name} ${bundle.version} is complete and correctly signed`,
      `  ${counted(files, 'file')}, ${formatBytes(bytes)}, each compared with its SHA-512`,
      ...endLines(given, reported),
    ].join('\n'),
  };
}
