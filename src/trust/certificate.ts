import { createHash, type KeyObject } from 'node:crypto';
import { StowageError } from '../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type AlgorithmName, algorithmFits, algorithmOf, verifyWith } from './algorithm.ts';
import { type Extensions, readExtensions } from './certificate-extension.ts';
import { constructedTag, type Der, DerReader, derTag, explicit, integer, sequence } from './der.ts';
import { describeName } from './name.ts';
import { readPublicKey } from './public-key.ts';

/**
 * An X.509 certificate within the profile that Stowage accepts: version 3, keys and signatures of
 * {@link AlgorithmName}, known extensions only. It is not necessarily trusted.
 */
export interface Certificate extends Extensions {
  readonly der: Buffer;
  /** SHA-256 of the DER, 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits: the same for all certificates of a key. */
  readonly keyFingerprint: string;
  /** For display: `O=Example Agency, CN=Release`. */
  readonly subject: string;
  readonly issuer: string;
  readonly subjectDer: Buffer;
  readonly issuerDer: Buffer;
  /** IssuerAndSerialNumber (RFC 5652 section 10.2.4), in DER. */
  readonly issuerAndSerial: Der;
  /** Lower-case hex without leading zeros, as in trust documents. */
  readonly serial: string;
  readonly notBefore: Date;
  /** The last second of its validity. */
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  /** What its issuer signed, the algorithm and the signature. */
  readonly signed: {
    readonly content: Buffer;
    readonly algorithm: AlgorithmName;
    readonly signature: Buffer;
  };
}

const VERSION_3 = 2;
const MAX_SERIAL_BYTES = 20;

const read = new DerReader((defect) =>
  refuseCertificate('a certificate outside the accepted profile', {
    expected: 'an X.509 version 3 certificate in DER, as stowage pki issues them',
    found: defect,
  }),
);

/** A `certificate-invalid` error. */
export function refuseCertificate(
  message: string,
  details: { expected: string; found: string; hint?: string },
): StowageError {
  return new StowageError('certificate-invalid', message, {
    hint: 'ask the CA for a certificate within the profile that signing/ describes',
    ...details,
  });
}

/**
 * Reads a certificate (RFC 5280 section 4.1) and checks it against the profile.
 * @throws StowageError `certificate-invalid`; `algorithm-refused` for a key or signature of another kind
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const whole = read.parse(der, MAX_CERTIFICATE_BYTES);
  const [tbs, outer, signature] = read.members(whole, derTag.sequence, 'a certificate', [3, 3]);
  const fields = read.members(tbs, derTag.sequence, 'the certificate body', [1, 10]);
  const [version, serial, inner, issuer, validity, subject, spki, extensions] = fields;
  if (version?.bytes.equals(explicit(0, integer(VERSION_3)).bytes) !== true)
    throw read.refuse('a version other than 3');
  if (fields.length !== 8) throw read.refuse(`a body of ${counted(fields.length, 'field')}`);
  const [list] = read.members(extensions, constructedTag(3), 'extensions', [1, 1]);
  const { notBefore, notAfter } = readValidity(validity);
  return {
    ...readExtensions(list, read),
    der: whole.bytes,
    fingerprint: sha256(whole.bytes),
    keyFingerprint: sha256(spki?.bytes),
    subject: describeName(subject, 'the subject', read),
    issuer: describeName(issuer, 'the issuer', read),
    subjectDer: bytesOf(subject),
    issuerDer: bytesOf(issuer),
    issuerAndSerial: sequence(...[issuer, serial].filter((each) => each !== undefined)),
    serial: readSerial(serial),
    notBefore,
    notAfter,
    publicKey: readPublicKey(spki, read),
    signed: {
      content: bytesOf(tbs),
      algorithm: readAlgorithm(inner, outer),
      signature: read.bits(signature, 'the signature'),
    },
  };
}

/** Whether the key of this issuer signed a certificate; names and dates are not checked. */
export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const { algorithm, content, signature } = certificate.signed;
  return (
    algorithmFits(algorithm, issuer.publicKey) &&
    verifyWith(algorithm, issuer.publicKey, content, signature)
  );
}

function readSerial(value: Der | undefined): string {
  const content = read.integer(value, 'the serial number');
  const positive = ((content[0] ?? 0) & 0x80) === 0 && content.some((byte) => byte !== 0);
  if (positive && content.length <= MAX_SERIAL_BYTES)
    return content.toString('hex').replace(/^0+/, '');
  throw read.refuse(
    positive
      ? `a serial number of ${counted(content.length, 'byte')}`
      : 'a serial number that is not positive',
  );
}

function readValidity(value: Der | undefined): { notBefore: Date; notAfter: Date } {
  const [first, last] = read.members(value, derTag.sequence, 'the validity', [2, 2]);
  const notBefore = read.time(first, 'the start of validity');
  const notAfter = read.time(last, 'the end of validity');
  if (notBefore <= notAfter) return { notBefore, notAfter };
  throw read.refuse('a validity that ends before it starts');
}

function readAlgorithm(inner: Der | undefined, outer: Der | undefined): AlgorithmName {
  if (inner === undefined || outer === undefined || !inner.bytes.equals(outer.bytes))
    throw read.refuse('two different signature algorithms');
  const algorithm = algorithmOf(inner);
  if (algorithm !== undefined) return algorithm;
  const [type] = read.members(inner, derTag.sequence, 'the signature algorithm', [1, 2]);
  throw new StowageError(
    'algorithm-refused',
    'the certificate is signed with an algorithm that is not accepted',
    {
      expected: 'SHA-384 with ECDSA or RSA, or ML-DSA-87, with its standard parameters',
      found: read.oid(type, 'the signature algorithm'),
      hint: 'ask the CA for a certificate signed with an accepted algorithm',
    },
  );
}

function bytesOf(value: Der | undefined): Buffer {
  return value?.bytes ?? Buffer.alloc(0);
}

function sha256(bytes: Buffer | undefined): string {
  return createHash('sha256')
    .update(bytes ?? '')
    .digest('hex');
}
