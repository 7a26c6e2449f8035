import { MAX_TRUST_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type Certificate, parseCertificate, refuseCertificate } from './certificate.ts';
import { decodePem, encodePem } from './pem.ts';

const LABEL = 'CERTIFICATE';
const SEQUENCE = 0x30;

/** A certificate as PEM. */
export function encodeCertificate(certificate: Certificate): string {
  return encodePem(LABEL, certificate.der);
}

/**
 * The certificates of a file: one in DER, or one or more in PEM.
 * @throws StowageError `certificate-invalid`, also if there is none or the file contains anything else;
 * `algorithm-refused` as parseCertificate does
 */
export function decodeCertificates(pemOrDer: Uint8Array): Certificate[] {
  if (pemOrDer[0] === SEQUENCE) return [parseCertificate(pemOrDer)];
  if (pemOrDer.length > MAX_TRUST_BYTES)
    throw refuse(`a file of ${counted(pemOrDer.length, 'byte')}`);
  const blocks = decodePem(Buffer.from(pemOrDer).toString('latin1'), refuse);
  if (blocks.length === 0) throw refuse('no certificate');
  return blocks.map((block) => {
    if (block.label !== LABEL) throw refuse(`a block of ${block.label}`);
    return parseCertificate(block.bytes);
  });
}

function refuse(found: string): ReturnType<typeof refuseCertificate> {
  return refuseCertificate('not a file of certificates', {
    expected: 'one certificate in DER, or certificates in PEM and nothing else',
    found,
    hint: 'give the file with the certificate; it must not contain a private key',
  });
}
