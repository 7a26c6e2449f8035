import { constants, createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { constructedTag, type Der, DerReader, derTag, explicit, integer } from '../../trust/der.ts';
import { describeName } from '../../trust/name.ts';
import { type PublisherExtensions, readExtensions } from './publisher-extensions.ts';
import { isAccepted, refuse } from './refusal.ts';

/**
 * A publisher's certificate, from Fulcio or any other CA. The profile is wider than that of certificates for bundle
 * signing, as it is used on the connected side only. A parsed certificate is not a trusted one.
 */
export interface PublisherCertificate extends PublisherExtensions {
  readonly der: Buffer;
  /** SHA-256 of the DER, 64 hex digits. */
  readonly fingerprint: string;
  /** `O=Example, CN=Release`; empty where only alternative names identify the holder. */
  readonly subject: string;
  readonly issuer: string;
  readonly subjectDer: Buffer;
  readonly issuerDer: Buffer;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  /** What the issuer signed, and with which algorithm. */
  readonly signed: {
    readonly content: Buffer;
    readonly algorithm: string;
    readonly signature: Buffer;
  };
}

const VERSION_3 = 2;

/** Signature algorithms by their object identifier: the type of key, and the hash where there is one. */
const ALGORITHMS: Readonly<Record<string, readonly [type: string, hash: string | null]>> = {
  '1.2.840.10045.4.3.2': ['ec', 'sha256'],
  '1.2.840.10045.4.3.3': ['ec', 'sha384'],
  '1.2.840.10045.4.3.4': ['ec', 'sha512'],
  '1.2.840.113549.1.1.11': ['rsa', 'sha256'],
  '1.2.840.113549.1.1.12': ['rsa', 'sha384'],
  '1.2.840.113549.1.1.13': ['rsa', 'sha512'],
  '1.3.101.112': ['ed25519', null],
};

const read = new DerReader((defect) =>
  refuse('a certificate that is not accepted', 'an X.509 version 3 certificate in DER', defect),
);

/** Reads a certificate (RFC 5280 section 4.1). @throws StowageError `upstream-refused` */
export function parseCertificate(der: Uint8Array): PublisherCertificate {
  const whole = read.parse(der, MAX_CERTIFICATE_BYTES);
  const [tbs, outer, signature] = read.members(whole, derTag.sequence, 'a certificate', [3, 3]);
  const fields = read.members(tbs, derTag.sequence, 'the certificate body', [8, 8]);
  const [version, serial, inner, issuer, validity, subject, spki, extensions] = fields;
  if (version?.bytes.equals(explicit(0, integer(VERSION_3)).bytes) !== true)
    throw read.refuse('a version other than 3');
  read.integer(serial, 'the serial number');
  if (inner === undefined || outer?.bytes.equals(inner.bytes) !== true)
    throw read.refuse('two different signature algorithms');
  const [list] = read.members(extensions, constructedTag(3), 'extensions', [1, 1]);
  const [from, to] = read.members(validity, derTag.sequence, 'the validity', [2, 2]);
  return {
    ...readExtensions(list, read),
    der: whole.bytes,
    fingerprint: createHash('sha256').update(whole.bytes).digest('hex'),
    subject: nameOf(subject, 'the subject'),
    issuer: nameOf(issuer, 'the issuer'),
    subjectDer: subject?.bytes ?? Buffer.alloc(0),
    issuerDer: issuer?.bytes ?? Buffer.alloc(0),
    notBefore: read.time(from, 'the start of validity'),
    notAfter: read.time(to, 'the end of validity'),
    publicKey: keyOf(spki),
    signed: {
      content: tbs?.bytes ?? Buffer.alloc(0),
      algorithm: algorithmOf(inner),
      signature: read.bits(signature, 'the signature'),
    },
  };
}

/** Whether this issuer's key signed a certificate; names and dates are not compared. */
export function isIssuedBy(
  certificate: PublisherCertificate,
  issuer: PublisherCertificate,
): boolean {
  const { algorithm, content, signature } = certificate.signed;
  const [type, hash] = ALGORITHMS[algorithm] ?? ['none', null];
  if (issuer.publicKey.asymmetricKeyType !== type) return false;
  const options =
    type === 'rsa'
      ? { key: issuer.publicKey, padding: constants.RSA_PKCS1_PADDING }
      : { key: issuer.publicKey, dsaEncoding: 'der' as const };
  try {
    return verify(hash, content, hash === null ? issuer.publicKey : options, signature);
  } catch {
    return false;
  }
}

function nameOf(name: Der | undefined, what: string): string {
  if (name?.tag === derTag.sequence && name.children.length === 0) return '';
  return describeName(name, what, read);
}

function keyOf(spki: Der | undefined): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki?.bytes ?? Buffer.alloc(0), format: 'der', type: 'spki' });
  } catch {
    throw read.refuse('an invalid public key');
  }
  if (isAccepted(key)) return key;
  throw read.refuse('a public key of a kind that is not accepted');
}

function algorithmOf(identifier: Der): string {
  const [type, ...parameters] = read.members(identifier, derTag.sequence, 'an algorithm', [1, 2]);
  const dotted = read.oid(type, 'the signature algorithm');
  const rsa = ALGORITHMS[dotted]?.[0] === 'rsa';
  const fitting = rsa ? parameters[0]?.tag === derTag.null : parameters.length === 0;
  if (Object.hasOwn(ALGORITHMS, dotted) && fitting) return dotted;
  throw read.refuse(`a signature by the algorithm ${dotted}`);
}
