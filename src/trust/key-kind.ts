import type { KeyObject } from 'node:crypto';

/** The kinds of key that may sign here. */
export type KeyKind = 'ec-p384' | 'rsa' | 'ml-dsa-87';

/** Smallest RSA modulus, in bits, that CNSA 1.0 and 2.0 accept. */
export const MIN_RSA_BITS = 3072;

const RSA_EXPONENT = 65537n;

/** The kind of a key, or undefined when it is of none that may sign here. See {@link keyDescription}. */
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

/** What a key is, for a message: its type, size and exponent or curve; nothing that is secret. */
export function keyDescription(key: KeyObject): string {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return `an elliptic-curve key on ${details.namedCurve ?? 'a curve without a name'}`;
    case 'rsa':
      return `an RSA key of ${details.modulusLength} bits with exponent ${details.publicExponent}`;
    default:
      return `a key of type ${key.asymmetricKeyType ?? key.type}`;
  }
}

/** What every signing key must be, for a message. */
export const acceptedKeys: string = `a key on P-384, RSA of ${MIN_RSA_BITS} bits or more with exponent 65537, or ML-DSA-87`;
