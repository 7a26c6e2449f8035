import { createHash, sign } from 'node:crypto';
import { encodeSignature } from '../../src/trust/cms-encoding.ts';
import { prepareSignature, type Signer } from '../../src/trust/cms-sign.ts';
import { integer, sequence } from '../../src/trust/der.ts';

/** The order of the group of P-384 (SP 800-186). */
const ORDER = BigInt(
  '0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
);
const COORDINATE_BYTES = 48;

/** Signs as `signDetached` does. */
export type QuickSigner = (content: Uint8Array, signingTime: Date) => Buffer;

/**
 * Valid signatures of a P-384 key at a hundredth of their price, for corpora of a million documents: each has the nonce of the first.
 * Two of them give the key away, so it must be one that is thrown away.
 */
export function quickSigner(signer: Signer): QuickSigner {
  const secret = numberOf(Buffer.from(signer.key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  const probe = Buffer.from('the nonce of every signature');
  const first = sign('sha384', probe, { key: signer.key, dsaEncoding: 'ieee-p1363' });
  const r = numberOf(first.subarray(0, COORDINATE_BYTES));
  const s = numberOf(first.subarray(COORDINATE_BYTES));
  const product = (r * secret) % ORDER;
  const inverseNonce = (s * inverse((hashOf(probe) + product) % ORDER)) % ORDER;
  return (content, signingTime) => {
    const { toBeSigned, ...prepared } = prepareSignature(content, signer, signingTime);
    const value = (inverseNonce * ((hashOf(toBeSigned) + product) % ORDER)) % ORDER;
    const signature = sequence(integer(bytesOf(r)), integer(bytesOf(value))).bytes;
    return encodeSignature({ ...prepared, signature }).bytes;
  };
}

function hashOf(bytes: Uint8Array): bigint {
  return numberOf(createHash('sha384').update(bytes).digest());
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function bytesOf(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * COORDINATE_BYTES, '0'), 'hex');
}

/** By Fermat's little theorem: the order is prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let base = value % ORDER;
  for (let exponent = ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % ORDER;
    base = (base * base) % ORDER;
  }
  return result;
}
