import {
  type AlgorithmName,
  algorithmIdentifier,
  digestIdentifier,
  digestWith,
  oids,
} from './algorithm.ts';
import type { Certificate } from './certificate.ts';
import {
  constructed,
  constructedTag,
  type Der,
  explicit,
  inSetOrder,
  integer,
  octetString,
  oid,
  parseDer,
  sequence,
  setOf,
  time,
} from './der.ts';
import { malformed } from './signature-file.ts';

/** Version of SignedData and of SignerInfo that identifies its signer by issuer and serial number (RFC 5652 section 5). */
const VERSION_1 = 1;

/** The values of the signed attributes. */
export interface SignedAttributes {
  readonly algorithm: AlgorithmName;
  readonly certificate: Certificate;
  /** The algorithm's hash of the content. */
  readonly contentDigest: Buffer;
  readonly signingTime: Date;
}

/** The content of a signature file. */
export interface SignatureParts extends SignedAttributes {
  /** Further certificates, in any order. */
  readonly intermediates: readonly Certificate[];
  readonly signature: Buffer;
}

/**
 * The signed attributes as the SET OF whose encoding is signed (RFC 5652 section 5.4): content type, signing time,
 * message digest, and the hash of the signer's certificate (RFC 5035).
 */
export function encodeSignedAttributes(parts: SignedAttributes): Der {
  return setOf([
    attribute(oids.contentType, oid(oids.data)),
    attribute(oids.signingTime, time(parts.signingTime)),
    attribute(oids.messageDigest, octetString(parts.contentDigest)),
    attribute(oids.signingCertificateV2, encodeCertificateId(parts)),
  ]);
}

/** SigningCertificateV2 with one ESSCertIDv2: with the hash algorithm, without issuer and serial (RFC 5035 section 3). */
export function encodeCertificateId(
  parts: Pick<SignedAttributes, 'algorithm' | 'certificate'>,
): Der {
  const hash = digestWith(parts.algorithm, parts.certificate.der);
  return sequence(sequence(sequence(digestIdentifier(parts.algorithm), octetString(hash))));
}

/** The one encoding of a detached signature: ContentInfo of SignedData with one signer (RFC 5652 sections 3 and 5). */
export function encodeSignature(parts: SignatureParts): Der {
  const digest = digestIdentifier(parts.algorithm);
  const certificates = [parts.certificate, ...parts.intermediates].map((each) => reread(each.der));
  const signer = sequence(
    integer(VERSION_1),
    parts.certificate.issuerAndSerial,
    digest,
    constructed(constructedTag(0), encodeSignedAttributes(parts).children),
    algorithmIdentifier(parts.algorithm),
    octetString(parts.signature),
  );
  const signedData = sequence(
    integer(VERSION_1),
    setOf([digest]),
    sequence(oid(oids.data)),
    constructed(constructedTag(0), inSetOrder(certificates)),
    setOf([signer]),
  );
  return sequence(oid(oids.signedData), explicit(0, signedData));
}

function attribute(type: string, value: Der): Der {
  return sequence(oid(type), setOf([value]));
}

function reread(der: Buffer): Der {
  return parseDer(der, der.length, malformed);
}
