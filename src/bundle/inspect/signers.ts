import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import { momentOf } from '../../format/field.ts';
import { allAlgorithms } from '../../trust/algorithm.ts';
import { verifyDetached } from '../../trust/cms-verify.ts';
import { readListed, readSignatures } from '../bundle-files.ts';
import { reportLine } from '../report/report-line.ts';
import { notCounted } from '../report/signatures.ts';
import type { Looked } from './look.ts';

/** Who a signature says that it is of. */
export interface NamedSigner {
  readonly file: string;
  /** Absent where the signature does not hold. */
  readonly subject?: string;
  /** SHA-256 of the public key, in hex. */
  readonly key?: string;
  readonly algorithm?: string;
  /** As the signer says. */
  readonly signingTime?: string;
  /** Whether it counts; absent where nobody said whose signatures do. */
  readonly counted?: boolean;
  /** Why it does not count. */
  readonly reason?: string;
  /** Why it does not hold. */
  readonly broken?: string;
}

/**
 * The signers of a bundle. Without a verdict only the mathematics is done: anybody can make a certificate of any name.
 */
export async function namedSigners({ folders, verdict }: Looked): Promise<NamedSigner[]> {
  if (verdict !== undefined)
    return verdict.signers.map(({ name, subject, keyFingerprint, algorithm, ...rest }) => ({
      ...{ file: name, subject: reportLine(subject), key: keyFingerprint, algorithm },
      counted: rest.counted,
      ...(rest.reason === undefined ? {} : { reason: notCounted[rest.reason] }),
      signingTime: momentOf(rest.signingTime),
    }));
  const [folder = ''] = folders;
  const content = await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent');
  const files = await readSignatures(folder);
  return files.map(({ name, bytes }) => {
    try {
      const { certificate, algorithm, signingTime } = verifyDetached(
        bytes,
        content,
        everyAlgorithm,
      );
      const subject = reportLine(certificate.subject);
      const { keyFingerprint: key } = certificate;
      return { file: name, subject, key, algorithm, signingTime: momentOf(signingTime) };
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      return { file: name, broken: reportLine(`${error.message} [${error.code}]`) };
    }
  });
}

const everyAlgorithm = new Set(allAlgorithms);
