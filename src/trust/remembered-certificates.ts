import { MAX_CERTIFICATE_BYTES } from '../core/limits.ts';
import { type Certificate, parseCertificate } from './certificate.ts';

/** Reads a certificate. @throws StowageError as {@link parseCertificate} */
export type CertificateParser = (der: Uint8Array) => Certificate;

const REMEMBERED = 16;

/** {@link parseCertificate} that remembers the last few by their bytes: a site signs a thousand receipts with one certificate. */
export function rememberedCertificates(): CertificateParser {
  const known = new Map<string, Certificate>();
  return (der) => {
    if (der.length > MAX_CERTIFICATE_BYTES) return parseCertificate(der);
    const bytes = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1');
    const before = known.get(bytes);
    if (before !== undefined) return before;
    const certificate = parseCertificate(der);
    const [oldest] = known.keys();
    if (known.size >= REMEMBERED && oldest !== undefined) known.delete(oldest);
    known.set(bytes, certificate);
    return certificate;
  };
}
