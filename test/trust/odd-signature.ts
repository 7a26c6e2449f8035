import { type KeyObject, sign } from 'node:crypto';
import {
  type AlgorithmName,
  algorithmIdentifier,
  defaultAlgorithm,
  digestIdentifier,
  digestWith,
  oids,
  signWith,
} from '../../src/trust/algorithm.ts';
import { encodeCertificateId } from '../../src/trust/cms-encoding.ts';
import {
  constructed,
  constructedTag,
  type Der,
  derTag,
  explicit,
  inSetOrder,
  integer,
  octetString,
  oid,
  sequence,
  setOf,
  time,
} from '../../src/trust/der.ts';
import { type Holder, signedAt } from './authority.ts';
import { der } from './odd-certificate.ts';

/** The signed attributes, each of which a test may replace or leave out. */
export interface Attributes {
  readonly contentType: Der;
  readonly signingTime: Der;
  readonly messageDigest: Der;
  readonly signingCertificate: Der;
}

/** Changes to a signature that is right in everything else; the signature itself is made over what they leave. */
export interface Changes {
  readonly algorithm?: AlgorithmName;
  /** The attributes, in the order to write them. */
  readonly attributes?: (attributes: Attributes) => readonly Der[];
  /** Fields of the SignerInfo. */
  readonly signer?: (fields: readonly Der[]) => readonly Der[];
  readonly signers?: (signer: Der) => readonly Der[];
  readonly digests?: readonly Der[];
  readonly content?: readonly Der[];
  readonly certificates?: readonly Buffer[];
  /** Fields of the SignedData. */
  readonly fields?: (fields: readonly Der[]) => readonly Der[];
  readonly type?: string;
  readonly sign?: (toBeSigned: Buffer, key: KeyObject) => Buffer;
}

export function attribute(type: string, ...values: readonly Der[]): Der {
  return sequence(oid(type), setOf(values));
}

/** A detached signature with these changes. */
export function oddSignature(content: Uint8Array, signer: Holder, changes: Changes = {}): Buffer {
  const { certificate, key } = signer;
  const algorithm = changes.algorithm ?? defaultAlgorithm(key);
  const good: Attributes = {
    contentType: attribute(oids.contentType, oid(oids.data)),
    signingTime: attribute(oids.signingTime, time(signedAt)),
    messageDigest: attribute(oids.messageDigest, octetString(digestWith(algorithm, content))),
    signingCertificate: attribute(
      oids.signingCertificateV2,
      encodeCertificateId({ algorithm, certificate }),
    ),
  };
  const attributes = changes.attributes?.(good) ?? inSetOrder(Object.values(good));
  const toBeSigned = constructed(derTag.set, attributes).bytes;
  const make = changes.sign ?? ((bytes: Buffer) => signWith(algorithm, key, bytes));
  const fields = [
    integer(1),
    certificate.issuerAndSerial,
    digestIdentifier(algorithm),
    constructed(constructedTag(0), attributes),
    algorithmIdentifier(algorithm),
    octetString(make(toBeSigned, key)),
  ];
  const info = sequence(...(changes.signer?.(fields) ?? fields));
  const certificates = (changes.certificates ?? [certificate.der]).map(der);
  const signedData = [
    integer(1),
    setOf(changes.digests ?? [digestIdentifier(algorithm)]),
    sequence(...(changes.content ?? [oid(oids.data)])),
    constructed(constructedTag(0), inSetOrder(certificates)),
    setOf(changes.signers?.(info) ?? [info]),
  ];
  const body = sequence(...(changes.fields?.(signedData) ?? signedData));
  return sequence(oid(changes.type ?? oids.signedData), explicit(0, body)).bytes;
}

/** Signs with a hash that is not accepted. */
export function withHash(hash: string): (toBeSigned: Buffer, key: KeyObject) => Buffer {
  return (toBeSigned, key) => sign(hash, toBeSigned, key);
}
