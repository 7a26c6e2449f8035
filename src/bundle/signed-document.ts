import { type DocumentKind, readCanonical } from '../format/document.ts';
import { readBounded } from '../io/file.ts';
import { allAlgorithms } from '../trust/algorithm.ts';
import { type VerifiedSignature, verifyDetached } from '../trust/cms-verify.ts';
import { readSignature } from './bundle-files.ts';

/** A document with a valid signature. */
export interface SignedDocument<T> {
  readonly document: T;
  readonly bytes: Buffer;
  readonly signature: Buffer;
  readonly certificate: VerifiedSignature['certificate'];
}

/**
 * Reads a document, `NAME.json` or `NAME`, and the signature beside it, `NAME.p7s`. Who signed it is not judged.
 * @throws StowageError `file-missing`, `file-kind`, `io-failed`, the code of the kind, `signature-malformed`, `signature-invalid`
 */
export async function readSignedDocument<T>(
  file: string,
  kind: DocumentKind<T>,
): Promise<SignedDocument<T>> {
  const bytes = await readBounded(file, kind.maxBytes, kind.code);
  const signature = await readSignature(file.replace(/(?:\.json)?$/, '.p7s'));
  const { certificate } = verifyDetached(signature, bytes, new Set(allAlgorithms));
  return { document: readCanonical(kind, bytes), bytes, signature, certificate };
}
