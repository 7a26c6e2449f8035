import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import { momentOf } from '../../format/field.ts';
import { allAlgorithms } from '../../trust/algorithm.ts';
import { verifyDetached } from '../../trust/cms-verify.ts';
import { readListed, readSignatures } from '../bundle-files.ts';
import { whyNotCounted } from '../report/describe-signatures.ts';
import { reportLine } from '../report/report-line.ts';
import type { BundleView } from './bundle-view.ts';

/** A signature and the signer that it names. */
export interface NamedSigner {
  readonly file: string;
  /** Absent for an invalid signature. */
  readonly subject?: string;
  /** SHA-256 of the public key, in hex. */
  readonly key?: string;
  readonly algorithm?: string;
  /** As stated by the signer. */
  readonly signingTime?: string;
  /** Whether it counts; absent without a trust document. */
  readonly counted?: boolean;
  /** Why it does not count. */
  readonly reason?: string;
  /** Why it is invalid. */
  readonly broken?: string;
}

/**
 * The signers of a bundle. Without a verdict, only the signatures themselves are checked, and anyone can create a
 * certificate with any name.
 */
export async function namedSigners({ folders, verdict }: BundleView): Promise<NamedSigner[]> {
  if (verdict !== undefined)
    return verdict.signers.map((each) => {
      const { name, subject, keyFingerprint, algorithm, counted, signingTime } = each;
      const reason = whyNotCounted(each);
      return {
        ...{ file: name, subject: reportLine(subject), key: keyFingerprint, algorithm, counted },
        ...(reason === undefined ? {} : { reason }),
        signingTime: momentOf(signingTime),
      };
    });
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
