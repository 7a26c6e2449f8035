import { createHash, type KeyObject } from 'node:crypto';
import {
  type AlgorithmName,
  algorithmIdentifier,
  defaultAlgorithm,
  oids,
  signWith,
} from './algorithm.ts';
import {
  type Certificate,
  isSignedBy,
  parseCertificate,
  refuseCertificate,
} from './certificate.ts';
import {
  bitString,
  boolean,
  contextTag,
  type Der,
  explicit,
  integer,
  octetString,
  oid,
  parseDer,
  primitive,
  sequence,
  time,
} from './der.ts';
import { generateKey } from './key.ts';
import { type DistinguishedName, encodeName } from './name.ts';
import { encodePublicKey } from './public-key.ts';

const VERSION_3 = 2;
const KEY_ID_BYTES = 20;
/** KeyUsage bits: keyCertSign and cRLSign; digitalSignature. The second number counts the unused bits. */
const AUTHORITY_USAGE = [0x06, 1] as const;
const LEAF_USAGE = [0x80, 7] as const;

export interface CertificateRequest {
  readonly subject: DistinguishedName;
  readonly publicKey: KeyObject;
  /** The issuer; without it the certificate is self-signed with `key`. */
  readonly issuer?: { readonly certificate: Certificate; readonly key: KeyObject };
  /** The private key of `publicKey`, for a self-signed certificate. */
  readonly key?: KeyObject;
  /** Whether it is a CA certificate; otherwise it can sign bundles. */
  readonly authority: boolean;
  /** For a CA certificate: how many CA certificates may be below it; 0 by default. */
  readonly pathLength?: 0 | 1;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Big-endian, positive, below 2^159 so that it takes at most 20 bytes; random, since an issuer must not reuse one. */
  readonly serial: Uint8Array;
}

/**
 * Issues a certificate within the profile of {@link parseCertificate}. A leaf gets codeSigning and emailProtection, so
 * that `openssl cms -verify` accepts it without a `-purpose` option.
 * @throws StowageError `certificate-invalid` for a request that the profile does not allow, or if key and certificate of
 * the issuer do not match; `algorithm-refused` for a key of another kind
 */
export function issueCertificate(request: CertificateRequest): Certificate {
  const { issuer, publicKey } = request;
  const signingKey = issuer?.key ?? request.key;
  if (signingKey === undefined)
    throw refuse('a request without a signing key', 'the key of the issuer, or its own');
  const algorithm = defaultAlgorithm(signingKey);
  const identifier = algorithmIdentifier(algorithm);
  const subject = encodeName(request.subject);
  const body = sequence(
    explicit(0, integer(VERSION_3)),
    integer(request.serial),
    identifier,
    issuer === undefined ? subject : reread(issuer.certificate.subjectDer),
    sequence(time(request.notBefore), time(request.notAfter)),
    subject,
    reread(encodePublicKey(publicKey)),
    explicit(3, sequence(...extensions(request))),
  );
  const signature = signWith(algorithm, signingKey, body.bytes);
  const certificate = parseCertificate(sequence(body, identifier, bitString(signature)).bytes);
  if (isSignedBy(certificate, issuer?.certificate ?? certificate)) return certificate;
  throw refuse('a key that does not match the issuing certificate', 'the key of that certificate');
}

function extensions(request: CertificateRequest): Der[] {
  const keyId = keyIdentifier(encodePublicKey(request.publicKey));
  const issuerId = request.issuer?.certificate.subjectKeyId;
  const authorityId = issuerId === undefined ? keyId : Buffer.from(issuerId, 'hex');
  const named = request.issuer === undefined || issuerId !== undefined;
  const usage = request.authority ? AUTHORITY_USAGE : LEAF_USAGE;
  const constraints = request.authority
    ? sequence(boolean(true), integer(request.pathLength ?? 0))
    : sequence();
  const list = [
    critical(oids.basicConstraints, constraints),
    critical(oids.keyUsage, bitString(Buffer.from([usage[0]]), usage[1])),
    plain(oids.subjectKeyIdentifier, octetString(keyId)),
  ];
  if (named)
    list.push(plain(oids.authorityKeyIdentifier, sequence(primitive(contextTag(0), authorityId))));
  if (!request.authority)
    list.push(
      plain(oids.extendedKeyUsage, sequence(oid(oids.codeSigning), oid(oids.emailProtection))),
    );
  return list;
}

// RFC 7093 section 2: the first 160 bits of a SHA-2 hash, where RFC 5280 suggests SHA-1.
function keyIdentifier(spki: Buffer): Buffer {
  return createHash('sha384').update(spki).digest().subarray(0, KEY_ID_BYTES);
}

function critical(type: string, value: Der): Der {
  return sequence(oid(type), boolean(true), octetString(value.bytes));
}

function plain(type: string, value: Der): Der {
  return sequence(oid(type), octetString(value.bytes));
}

function reread(der: Buffer): Der {
  return parseDer(der, der.length, (defect) => refuse(defect, 'DER'));
}

function refuse(found: string, expected: string): ReturnType<typeof refuseCertificate> {
  return refuseCertificate('the certificate cannot be issued', {
    expected,
    found,
    hint: 'correct the request; stowage pki makes a valid one',
  });
}

export interface Issued {
  readonly key: KeyObject;
  readonly certificate: Certificate;
}

const ROOT_YEARS = 10;
const RELEASE_YEARS = 2;

/**
 * A root and a release certificate under it, with keys of one algorithm, for trials and demonstrations: both keys are generated in this
 * process, which a real key ceremony never does.
 * @param serials 16 random bytes for each certificate
 */
export function throwawayAuthority(
  organization: string,
  now: Date,
  serials: readonly [Buffer, Buffer],
  algorithm: AlgorithmName = 'ecdsa-p384-sha384',
): { root: Issued; release: Issued } {
  const rootKey = generateKey(algorithm);
  const root = issueCertificate({
    subject: { commonName: `${organization} Root`, organization },
    publicKey: rootKey.publicKey,
    key: rootKey.privateKey,
    authority: true,
    notBefore: now,
    notAfter: yearsAfter(now, ROOT_YEARS),
    serial: positive(serials[0]),
  });
  const releaseKey = generateKey(algorithm);
  const release = issueCertificate({
    subject: { commonName: `${organization} Release`, organization },
    publicKey: releaseKey.publicKey,
    issuer: { certificate: root, key: rootKey.privateKey },
    authority: false,
    notBefore: now,
    notAfter: yearsAfter(now, RELEASE_YEARS),
    serial: positive(serials[1]),
  });
  return {
    root: { key: rootKey.privateKey, certificate: root },
    release: { key: releaseKey.privateKey, certificate: release },
  };
}

function yearsAfter(date: Date, years: number): Date {
  const later = new Date(date);
  later.setUTCFullYear(date.getUTCFullYear() + years);
  return later;
}

/** Converts bytes to a serial number: positive, and without a leading zero (RFC 5280, 4.1.2.2). */
export function positive(bytes: Buffer): Buffer {
  const serial = Buffer.from(bytes);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
