import { basename } from 'node:path';
import { StowageError } from '../core/error.ts';
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
  const signature = await readSignatureOf(file);
  const { certificate } = verifyDetached(signature, bytes, new Set(allAlgorithms));
  return { document: readCanonical(kind, bytes), bytes, signature, certificate };
}

/** Where the signature of a document is: `NAME.p7s` beside `NAME.json` or `NAME`. */
export function signatureOf(file: string): string {
  return file.replace(/(?:\.json)?$/, '.p7s');
}

async function readSignatureOf(file: string): Promise<Buffer> {
  const path = signatureOf(file);
  try {
    return await readSignature(path);
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'file-missing') throw error;
    throw new StowageError('file-missing', `${file} has no signature beside it`, {
      expected: path,
      found: 'nothing',
      hint: `bring ${basename(path)} from where ${basename(file)} was written: a signed document and its signature travel together`,
      cause: error,
    });
  }
}
