import type { GivenTrust } from '../../bundle/admission/trust-anchor.ts';
import { makeReport } from '../../bundle/report/make-report.ts';
import { type ReportFiles, requireRoom, writeReport } from '../../bundle/report/report-files.ts';
import { type VerificationRecord, witnessVerification } from '../../bundle/report/witness.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { type CommandContext, usage } from '../command.ts';
import { toStowageError } from '../render.ts';
import type { PassphraseOptions } from './passphrase.ts';
import { readIdentity, readKey } from './signing-key.ts';

export interface ReportOptions extends PassphraseOptions {
  readonly report: readonly string[];
  readonly reportKey?: string;
  readonly reportCertificate?: string;
}

/**
 * Where the reports go and who signs, settled before any work begins.
 * @throws StowageError `usage-invalid`, `output-exists`, `file-missing`, `key-invalid`, `certificate-invalid`
 */
export async function prepareReport(
  options: ReportOptions,
  folders: readonly string[],
  context: CommandContext,
): Promise<ReportFiles> {
  const paths = options.report.map((path) => context.path(path));
  const strange = options.report.find((path) => !/[^/]\.(?:json|html)$/.test(path));
  if (strange !== undefined)
    throw usage('the ending of a report says its form', 'a name in .json or .html', strange);
  if (new Set(paths).size !== paths.length)
    throw usage('two reports with one name', 'a name for each', paths.join(', '));
  const signer = await readSigner(options, context);
  if (signer !== undefined && !paths.some((path) => path.endsWith('.json')))
    throw usage('only a JSON report is signed', '--report FILE.json', 'none');
  const files = { paths, ...(signer && { signer }) };
  await requireRoom(files, folders);
  return files;
}

/** A verification that left evidence. */
export interface Reported extends Required<Pick<VerificationRecord, 'admitted' | 'verdict'>> {
  readonly reports: readonly string[];
}

/**
 * Verifies, writes the report whichever way it ends, and gives what it came to.
 * @returns the admitted bundle, what its parts came to, and where the reports lie
 * @throws what the verification failed with, after the report of that was written; an interrupted one has no report
 */
export async function verifyWithReport(
  folders: readonly string[],
  given: GivenTrust,
  files: ReportFiles,
  context: CommandContext,
): Promise<Reported> {
  const witnessed = await witnessVerification(folders, { ...context, trust: given.trust });
  const { admitted, verdict, error } = witnessed;
  const failure = error === undefined ? undefined : toStowageError(error);
  if (failure?.code === 'interrupted') throw error;
  const write = async (): Promise<string[]> => {
    const { program, runtime } = context.terminal;
    const { node, openssl } = runtime;
    const report = await makeReport(witnessed, {
      ...{ folders, given, running: { program, node, openssl } },
      ...(failure && { failure }),
    });
    return writeReport(report, files, context.now());
  };
  if (failure === undefined && admitted !== undefined && verdict !== undefined)
    return { admitted, verdict, reports: await write() };
  await tellOf(write, context);
  throw error;
}

// What the verification failed with is the result, also where the report of it fails.
async function tellOf(write: () => Promise<string[]>, { emit }: CommandContext): Promise<void> {
  try {
    const reports = await write();
    emit({ type: 'warning', message: `verification failed; the report: ${reports.join(', ')}` });
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
      'a report is signed with a key and its certificate',
      '--report-key and --report-certificate',
      reportKey === undefined ? 'no key' : 'no certificate',
    );
  const identity = await readIdentity({ certificate: reportCertificate }, context);
  const signer = { ...identity, key: await readKey(reportKey, options, context) };
  // A key that is not of the certificate is found now, not after the last part.
  signDetached(Buffer.alloc(0), signer, context.now());
  return signer;
}
