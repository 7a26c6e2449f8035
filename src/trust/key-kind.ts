import type { KeyObject } from 'node:crypto';

/** The accepted kinds of signing keys. */
export type KeyKind = 'ec-p384' | 'rsa' | 'ml-dsa-87';

/** Smallest RSA modulus, in bits, that CNSA 1.0 and 2.0 accept. */
export const MIN_RSA_BITS = 3072;

const RSA_EXPONENT = 65537n;

/** The kind of a key; undefined if it is not accepted. See {@link keyDescription}. */
export function keyKind(key: KeyObject): KeyKind | undefined {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return details.namedCurve === 'secp384r1' ? 'ec-p384' : undefined;
    case 'rsa':
      return (details.modulusLength ?? 0) >= MIN_RSA_BITS && details.publicExponent === RSA_EXPONENT
        ? 'rsa'
        : undefined;
    case 'ml-dsa-87':
      return 'ml-dsa-87';
    default:
      return undefined;
  }
}

/** Describes a key for a message: type, size and exponent or curve; nothing secret. */
export function keyDescription(key: KeyObject): string {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return `an elliptic-curve key on ${details.namedCurve ?? 'an unnamed curve'}`;
    case 'rsa':
      return `an RSA key of ${details.modulusLength} bits with exponent ${details.publicExponent}`;
    default:
      return `a key of type ${key.asymmetricKeyType ?? key.type}`;
  }
}

/** The accepted keys, for a message. */
export const acceptedKeys: string = `a key on P-384, RSA of ${MIN_RSA_BITS} bits or more with exponent 65537, or ML-DSA-87`;
