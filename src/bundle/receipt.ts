import { readCanonical } from '../format/document.ts';
import { type Receipt, receiptKind } from '../format/receipt.ts';
import { readBounded } from '../io/file.ts';
import { allAlgorithms } from '../trust/algorithm.ts';
import { verifyDetached } from '../trust/cms-verify.ts';
import { readSignature } from './bundle-files.ts';

/** A receipt with a valid signature, and its signer. */
export interface CheckedReceipt {
  readonly receipt: Receipt;
  readonly file: string;
  /** SHA-256 of the signer's certificate, 64 lower-case hex digits: to compare with the site's. */
  readonly fingerprint: string;
  readonly subject: string;
}

/**
 * Reads a receipt and the signature next to it. Who signed it is not judged.
 * @throws StowageError `file-missing`, `document-invalid`, `signature-malformed`, `signature-invalid`
 */
export async function readReceipt(file: string): Promise<CheckedReceipt> {
  const bytes = await readBounded(file, receiptKind.maxBytes);
  const signature = await readSignature(file.replace(/\.json$/, '.p7s'));
  const { certificate } = verifyDetached(signature, bytes, new Set(allAlgorithms));
  const { fingerprint, subject } = certificate;
  return { receipt: readCanonical(receiptKind, bytes), file, fingerprint, subject };
}
