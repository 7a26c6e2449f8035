import { StowageError } from '../../core/error.ts';
import { momentOf } from '../../format/field.ts';
import type { ReportSignature } from '../../format/report.ts';
import type { Trust } from '../../format/trust.ts';
import { allAlgorithms } from '../../trust/algorithm.ts';
import { verifyDetached } from '../../trust/cms-verify.ts';
import { evaluateSignatures, notCounted, type SignerVerdict } from '../../trust/policy.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';
import { reportLine } from './report-line.ts';

const everyAlgorithm = new Set(allAlgorithms);

/** Why a signature does not count, as text; undefined if it does. */
export function whyNotCounted({ reason, revoked }: SignerVerdict): string | undefined {
  if (reason === undefined) return undefined;
  return revoked === undefined
    ? notCounted[reason]
    : reportLine(`${notCounted[reason]}: ${revoked}`);
}

/**
 * The verdicts with details of the signers' certificates.
 * @param bytesOf gives the bytes of a signature file
 */
export function describeVerdicts(
  verdicts: readonly SignerVerdict[],
  content: Buffer,
  bytesOf: (name: string) => Buffer,
): ReportSignature[] {
  return verdicts.map((verdict) => {
    const { certificate } = verifyDetached(bytesOf(verdict.name), content, everyAlgorithm);
    const reason = whyNotCounted(verdict);
    return {
      file: `signatures/${verdict.name}`,
      counted: verdict.counted,
      ...(reason === undefined ? {} : { reason }),
      signer: {
        subject: reportLine(verdict.subject),
        serial: verdict.serial,
        certificate: certificate.fingerprint,
        key: verdict.keyFingerprint,
        algorithm: verdict.algorithm,
        signingTime: momentOf(verdict.signingTime),
        ...(verdict.root === undefined ? {} : { root: verdict.root }),
      },
    };
  });
}

/** The same signatures, with those that count as approvals marked. */
export function markApprovals(
  signatures: readonly ReportSignature[],
  approvers: readonly SignerVerdict[],
): ReportSignature[] {
  const files = new Set(approvers.map(({ name }) => `signatures/${name}`));
  return signatures.map((each) => (files.has(each.file) ? { ...each, approves: true } : each));
}

/** What can be stated about each signature of a rejected bundle. */
export function describeRefused(
  files: readonly SignatureFile[],
  content: Buffer,
  trust: Trust,
  now: Date,
): ReportSignature[] {
  const judge = (some: readonly SignatureFile[]): SignerVerdict[] =>
    evaluateSignatures(withoutThreshold(trust), 'release', { content, signatures: some }, now);
  const broken = new Map<string, string>();
  for (const file of files) {
    try {
      judge([file]);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      const message = error.message.replace(`${JSON.stringify(file.name)}: `, '');
      broken.set(file.name, `${message} [${error.code}]`);
    }
  }
  const whole = files.filter(({ name }) => !broken.has(name));
  const verdicts = whole.length === 0 ? [] : judge(whole);
  const described = describeVerdicts(
    verdicts,
    content,
    (name) => whole.find((each) => each.name === name)?.bytes ?? Buffer.alloc(0),
  );
  return files.map(({ name }) => {
    const file = `signatures/${name}`;
    const reason = broken.get(name);
    const found = described.find((each) => each.file === file);
    return found ?? { file, counted: false, ...(reason && { reason: reportLine(reason) }) };
  });
}

// Accepts anything: only to describe each signature of a bundle that was already rejected, never for a decision.
function withoutThreshold(trust: Trust): Trust {
  const { roots } = trust.roles.release;
  return { ...trust, roles: { ...trust.roles, release: { roots, threshold: 0 } } };
}
