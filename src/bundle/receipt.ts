import { type Receipt, receiptKind } from '../format/receipt.ts';
import { readSignedDocument } from './signed-document.ts';

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
  const { document: receipt, certificate } = await readSignedDocument(file, receiptKind);
  const { fingerprint, subject } = certificate;
  return { receipt, file, fingerprint, subject };
}
