import { readSignature } from '../bundle/bundle-files.ts';
import { signatureOf } from '../bundle/signed-document.ts';
import { StowageError } from '../core/error.ts';
import { parseCanonical } from '../core/json.ts';
import { MAX_CERTIFICATE_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { readCanonical, readValue } from '../format/document.ts';
import { type KeyHandover, keyHandoverKind, type Receipt, receiptKind } from '../format/receipt.ts';
import { readBounded } from '../io/file.ts';
import { allAlgorithms } from '../trust/algorithm.ts';
import { type Certificate, parseCertificate } from '../trust/certificate.ts';
import { verifyDetached } from '../trust/cms-verify.ts';
import type { CertificateParser } from '../trust/remembered-certificates.ts';

/** A document that a site signed: a receipt, or the handover of its key. Nothing says yet whose key it is. */
export interface SiteDocument {
  readonly bytes: Buffer;
  readonly signature: Buffer;
  readonly certificate: Certificate;
  readonly content:
    | { readonly kind: 'receipt'; readonly receipt: Receipt }
    | {
        readonly kind: 'handover';
        readonly handover: KeyHandover;
        readonly successor: Certificate;
      };
}

const algorithms = new Set(allAlgorithms);

/**
 * Reads a document of a site and the signature next to it, `FILE.p7s` in place of `FILE.json`.
 * @throws StowageError `file-missing`, `document-invalid`, `signature-malformed`, `signature-invalid`, `format-newer`
 */
export async function readSiteDocument(file: string): Promise<SiteDocument> {
  const bytes = await readBounded(file, receiptKind.maxBytes);
  return parseSiteDocument(bytes, await readSignature(signatureOf(file)));
}

/** @throws StowageError as {@link readSiteDocument} */
export function parseSiteDocument(
  bytes: Buffer,
  signature: Buffer,
  parse?: CertificateParser,
): SiteDocument {
  const { certificate } = verifyDetached(signature, bytes, algorithms, parse);
  return { bytes, signature, certificate, content: contentOf(bytes) };
}

function contentOf(bytes: Buffer): SiteDocument['content'] {
  if (!startsLikeHandover(bytes))
    return { kind: 'receipt', receipt: readCanonical(receiptKind, bytes) };
  const handover = readValue(keyHandoverKind, parseCanonical(bytes));
  return { kind: 'handover', handover, successor: certificateIn(handover.certificate) };
}

/** Members are sorted, so `at` and `certificate` come first. */
function startsLikeHandover(bytes: Buffer): boolean {
  return bytes.subarray(0, 64).toString('latin1').includes('"certificate":"');
}

/** The certificate in a document. @throws StowageError `certificate-invalid` */
export function certificateIn(base64: string): Certificate {
  const der = Buffer.from(base64, 'base64');
  if (der.length <= MAX_CERTIFICATE_BYTES) return parseCertificate(der);
  throw new StowageError('certificate-invalid', 'a certificate is too large', {
    expected: `at most ${MAX_CERTIFICATE_BYTES} bytes`,
    found: counted(der.length, 'byte'),
    hint: 'ask the site for the document again',
  });
}

/** The name of the site that a document says it is of. */
export function siteOf({ content }: SiteDocument): string {
  return content.kind === 'receipt' ? content.receipt.site : content.handover.site;
}
