import { constants, createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { type Fields, fieldsOf, parseJson } from '../../core/json.ts';
import { keyDescription } from '../../trust/algorithm.ts';

/** The error for a publisher's signature that is present and invalid. */
export function refuse(
  message: string,
  expected: string,
  found: string,
  hint: string = 'do not use this content until its publisher explains the signature',
): StowageError {
  return new StowageError('upstream-refused', message, {
    expected,
    found: printable(found),
    hint,
  });
}

/** The error for content without the signature that the manifest requires. */
export function unsigned(what: string, expected: string, found: string): StowageError {
  return new StowageError('upstream-unsigned', `${what} is not signed`, {
    expected,
    found: printable(found),
    hint: 'ask its publisher for a signature, or choose a revision that has one',
  });
}

/** Untrusted text as one short line without control characters. */
export function printable(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, ' ').slice(0, 200);
}

/**
 * Parses a JSON object that a signature depends on. Duplicate members are refused: parsers disagree about which one counts.
 * @throws StowageError `upstream-refused`
 */
export function parseStrict(bytes: Uint8Array, what: string): Fields {
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch (error) {
    const found = error instanceof Error ? error.message : 'something else';
    throw refuse(`${what} cannot be read`, 'a JSON object in UTF-8, with each member once', found);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return fieldsOf(value);
  throw refuse(`${what} cannot be read`, 'a JSON object', 'another JSON value');
}

/** Bytes from base64 in its one standard encoding. @throws StowageError `upstream-refused` */
export function strictBase64(value: unknown, what: string): Buffer {
  const text = typeof value === 'string' ? value : '';
  const bytes = Buffer.from(text, 'base64');
  if (text !== '' && bytes.toString('base64') === text) return bytes;
  throw refuse(
    `${what} cannot be read`,
    'base64 of RFC 4648 section 4, padded',
    text === '' ? 'nothing' : 'another encoding',
  );
}

/** The hash that an elliptic-curve key may sign: that of the curve's size, or also SHA-256, as older cosign does. */
export type HashRule = 'curve' | 'curve-or-sha256';

const CURVE_HASHES: Readonly<Record<string, string>> = {
  prime256v1: 'sha256',
  secp384r1: 'sha384',
  secp521r1: 'sha512',
};
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
const RSA_EXPONENT = 65537n;

/** The accepted kinds of publisher keys, for messages. */
export const acceptedUpstream: string = `a key on P-256, P-384 or P-521, Ed25519, or RSA of ${MIN_RSA_BITS} bits or more`;

/** A public key in PEM or DER (SubjectPublicKeyInfo) of an accepted kind. @throws StowageError `upstream-refused` */
export function readUpstreamKey(bytes: Uint8Array, what: string): KeyObject {
  let key: KeyObject;
  const text = Buffer.from(bytes);
  try {
    // createPublicKey also accepts certificates and private keys.
    if (text.includes('-----BEGIN') && !text.includes('-----BEGIN PUBLIC KEY-----'))
      throw new Error('another label');
    key = text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: text, format: 'der', type: 'spki' });
  } catch {
    throw refuse(
      `${what} cannot be read`,
      'a public key in PEM: BEGIN PUBLIC KEY',
      'something else',
    );
  }
  if (isAccepted(key)) return key;
  throw refuse(`${what} is not of an accepted kind`, acceptedUpstream, keyDescription(key));
}

export function isAccepted(key: KeyObject): boolean {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return Object.hasOwn(CURVE_HASHES, details.namedCurve ?? '');
    case 'rsa': {
      const bits = details.modulusLength ?? 0;
      return (
        bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS && details.publicExponent === RSA_EXPONENT
      );
    }
    case 'ed25519':
      return true;
    default:
      return false;
  }
}

/** Whether this key made a signature over these bytes. The key decides the algorithm, never the signature. */
export function isSignedWith(
  key: KeyObject,
  bytes: Uint8Array,
  signature: Uint8Array,
  rule: HashRule,
): boolean {
  if (!isAccepted(key)) return false;
  try {
    switch (key.asymmetricKeyType) {
      case 'ec': {
        const own = CURVE_HASHES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'sha256';
        const hashes = rule === 'curve' ? [own] : [...new Set([own, 'sha256'])];
        return hashes.some((hash) => verify(hash, bytes, { key, dsaEncoding: 'der' }, signature));
      }
      case 'rsa':
        return verify('sha256', bytes, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
      default:
        return verify(null, bytes, key, signature);
    }
  } catch {
    return false;
  }
}

/** SHA-256 of the SubjectPublicKeyInfo, in hex. */
export function keyFingerprint(key: KeyObject): string {
  return sha256(key.export({ type: 'spki', format: 'der' })).toString('hex');
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
