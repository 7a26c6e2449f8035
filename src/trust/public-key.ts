import { createPublicKey, type KeyObject } from 'node:crypto';
import { StowageError } from '../core/error.ts';
import { acceptedKeys, keyDescription, keyKind, oids, unsupported } from './algorithm.ts';
import { type Der, type DerReader, derTag, nullValue, oid, sequence } from './der.ts';

const UNCOMPRESSED_POINT = 0x04;
const P384_POINT_BYTES = 97;

const rsa = sequence(oid(oids.rsaEncryption), nullValue());
const p384 = sequence(oid(oids.ecPublicKey), oid(oids.secp384r1));
const mlDsa87 = sequence(oid(oids.mlDsa87));

/**
 * The key in a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), which must be of an accepted kind and in its canonical
 * encoding: a named curve, an uncompressed point.
 * @throws StowageError `algorithm-refused`, or the errors of the reader
 */
export function readPublicKey(spki: Der | undefined, read: DerReader): KeyObject {
  const fields = read.members(spki, derTag.sequence, 'the public key', [2, 2]);
  const [identifier, key] = fields;
  const bits = read.bits(key, 'the public key');
  const kind = [rsa, p384, mlDsa87].find((each) => identifier?.bytes.equals(each.bytes) === true);
  if (kind === undefined) throw refuse('another kind of key, or an unnamed curve');
  const uncompressed = bits[0] === UNCOMPRESSED_POINT && bits.length === P384_POINT_BYTES;
  if (kind === p384 && !uncompressed)
    throw read.refuse('the public key is not an uncompressed point');
  const object = load(spki?.bytes ?? Buffer.alloc(0), kind === mlDsa87, read);
  if (keyKind(object) === undefined) throw refuse(keyDescription(object));
  return object;
}

/** The SubjectPublicKeyInfo of a public key, in DER. */
export function encodePublicKey(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function load(spki: Buffer, mlDsa: boolean, read: DerReader): KeyObject {
  let object: KeyObject;
  try {
    object = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch (cause) {
    throw mlDsa ? unsupported('ml-dsa-87', cause) : read.refuse('the public key is invalid');
  }
  if (encodePublicKey(object).equals(spki)) return object;
  throw read.refuse('the public key is not in its canonical encoding');
}

function refuse(found: string): StowageError {
  return new StowageError('algorithm-refused', 'the public key is not of an accepted kind', {
    expected: acceptedKeys,
    found,
    hint: 'have a certificate issued for a key of an accepted kind',
  });
}
