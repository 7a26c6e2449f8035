import type { GivenTrust } from '../../bundle/admission/trust-files.ts';
import { makeReport } from '../../bundle/report/make-report.ts';
import { type ReportFiles, requireRoom, writeReport } from '../../bundle/report/report-files.ts';
import { recordVerification, type Verified } from '../../bundle/report/verification-record.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { type CommandContext, usage } from '../command.ts';
import { toStowageError } from '../render.ts';
import type { PassphraseOptions } from './passphrase.ts';
import { readIdentity, readKey } from './signing-key.ts';

export interface ReportOptions extends PassphraseOptions {
  readonly report: readonly string[];
  /** Whether parts may be missing, as in an increment. */
  readonly partial?: boolean;
  readonly reportKey?: string;
  readonly reportCertificate?: string;
}

/**
 * Checks the paths and the signer of the reports before any work begins.
 * @throws StowageError `usage-invalid`, `output-exists`, `file-missing`, `key-invalid`, `certificate-invalid`
 */
export async function prepareReport(
  options: ReportOptions,
  folders: readonly string[],
  context: CommandContext,
): Promise<ReportFiles> {
  const paths = options.report.map((path) => context.path(path));
  const unknown = options.report.find((path) => !/[^/]\.(?:json|html)$/.test(path));
  if (unknown !== undefined)
    throw usage('unknown report format', 'a file name ending in .json or .html', unknown);
  if (new Set(paths).size !== paths.length)
    throw usage('two reports have the same path', 'a different path for each', paths.join(', '));
  const signer = await readSigner(options, context);
  if (signer !== undefined && !paths.some((path) => path.endsWith('.json')))
    throw usage('only a JSON report can be signed', '--report FILE.json', 'none');
  const files = { paths, ...(signer && { signer }) };
  await requireRoom(files, folders);
  return files;
}

/** A verification with its reports. */
export interface Reported extends Verified {
  readonly reports: readonly string[];
}

/**
 * Verifies and writes the report, also if verification fails.
 * @returns the admitted bundle, the result for its parts, and the paths of the reports
 * @throws the error of the verification, after its report was written; an interrupted verification has no report
 */
export async function verifyWithReport(
  folders: readonly string[],
  given: GivenTrust,
  files: ReportFiles & Pick<ReportOptions, 'partial'>,
  context: CommandContext,
): Promise<Reported> {
  const partial = files.partial === true;
  const record = await recordVerification(folders, { ...context, trust: given.trust, partial });
  const { admitted, verdict, error } = record;
  const failure = error === undefined ? undefined : toStowageError(error);
  if (failure?.code === 'interrupted') throw error;
  const write = async (): Promise<string[]> => {
    const { program, runtime } = context.terminal;
    const { node, openssl } = runtime;
    const report = await makeReport(record, {
      ...{ folders, given, running: { program, node, openssl } },
      ...(failure && { failure }),
    });
    return writeReport(report, files, context.now());
  };
  if (failure === undefined && admitted !== undefined && verdict !== undefined)
    return { admitted, verdict, reports: await write() };
  await reportFailure(write, context);
  throw error;
}

// The error of the verification is the result, even if writing the report fails too.
async function reportFailure(
  write: () => Promise<string[]>,
  { emit }: CommandContext,
): Promise<void> {
  try {
    const reports = await write();
    emit({ type: 'warning', message: `verification failed; report: ${reports.join(', ')}` });
  } catch (error) {
    const { message, hint } = toStowageError(error);
    emit({ type: 'warning', message: `the report could not be written: ${message}`, hint });
  }
}

async function readSigner(
  options: ReportOptions,
  context: CommandContext,
): Promise<Signer | undefined> {
  const { reportKey, reportCertificate } = options;
  if (reportKey === undefined && reportCertificate === undefined) return undefined;
  if (reportKey === undefined || reportCertificate === undefined)
    throw usage(
      'signing a report needs a key and its certificate',
      'both --report-key and --report-certificate',
      reportKey === undefined ? 'no key' : 'no certificate',
    );
  const identity = await readIdentity({ certificate: reportCertificate }, context);
  const signer = { ...identity, key: await readKey(reportKey, options, context) };
  // Finds a key that does not match the certificate now, not after the last part.
  signDetached(Buffer.alloc(0), signer, context.now());
  return signer;
}
