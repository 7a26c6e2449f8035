import { type KeyObject, sign } from 'node:crypto';
import {
  algorithmIdentifier,
  defaultAlgorithm,
  oids,
  signWith,
} from '../../src/trust/algorithm.ts';
import {
  bitString,
  boolean,
  type Der,
  explicit,
  integer,
  octetString,
  oid,
  parseDer,
  sequence,
  time,
} from '../../src/trust/der.ts';
import { encodeName } from '../../src/trust/name.ts';
import { encodePublicKey } from '../../src/trust/public-key.ts';
import { type Holder, nextSerial, validity } from './authority.ts';

/** The pieces of a certificate, each of which a test may replace. */
export interface Pieces {
  readonly version: readonly Der[];
  readonly serial: Der;
  readonly identifier: Der;
  /** The algorithm named beside the signature, outside of what is signed. */
  readonly outer: Der;
  readonly issuer: Der;
  readonly validity: Der;
  readonly subject: Der;
  readonly spki: Der;
  readonly extensions: readonly Der[];
  /** Fields between the key and the extensions. */
  readonly ids: readonly Der[];
  readonly sign: (content: Buffer, key: KeyObject) => Buffer;
}

export const subjectName: Der = encodeName({ organization: 'Example Agency', commonName: 'Odd' });

/** An extension by its object identifier. */
export function extension(type: string, value: Der, critical = false): Der {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value.bytes));
}

/** The extensions of a signer as it should be. */
export const leafExtensions: Record<'constraints' | 'usage' | 'purposes', Der> = {
  constraints: extension(oids.basicConstraints, sequence(), true),
  usage: extension(oids.keyUsage, bitString(Buffer.from([0x80]), 7), true),
  purposes: extension(oids.extendedKeyUsage, sequence(oid(oids.codeSigning))),
};

/** A certificate under an issuer, right in everything that the changes leave alone. */
export function oddCertificate(
  issuer: Holder,
  publicKey: KeyObject,
  changes: Partial<Pieces> = {},
): Buffer {
  const algorithm = defaultAlgorithm(issuer.key);
  const identifier = algorithmIdentifier(algorithm);
  const pieces: Pieces = {
    version: [explicit(0, integer(2))],
    serial: integer(nextSerial()),
    identifier,
    outer: changes.identifier ?? identifier,
    issuer: der(issuer.certificate.subjectDer),
    validity: sequence(time(validity.notBefore), time(validity.notAfter)),
    subject: subjectName,
    spki: der(encodePublicKey(publicKey)),
    ids: [],
    extensions: Object.values(leafExtensions),
    sign: (content, key) => signWith(algorithm, key, content),
    ...changes,
  };
  const body = sequence(
    ...pieces.version,
    pieces.serial,
    pieces.identifier,
    pieces.issuer,
    pieces.validity,
    pieces.subject,
    pieces.spki,
    ...pieces.ids,
    ...(pieces.extensions.length > 0 ? [explicit(3, sequence(...pieces.extensions))] : []),
  );
  return sequence(body, pieces.outer, bitString(pieces.sign(body.bytes, issuer.key))).bytes;
}

/** Signs with a hash that is not accepted. */
export function signWithHash(hash: string): Pieces['sign'] {
  return (content, key) => sign(hash, content, key);
}

/** Reads DER that the test itself made. */
export function der(bytes: Buffer): Der {
  return parseDer(bytes, bytes.length, (defect) => {
    throw new Error(defect);
  });
}
