import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { algorithmNames } from '../../src/format/trust.ts';
import {
  allAlgorithms,
  defaultAlgorithm,
  signWith,
  verifyWith,
} from '../../src/trust/algorithm.ts';
import { generateKey } from '../../src/trust/key.ts';
import { expectCode } from '../support/error.ts';

const message = Buffer.from('SHA512SUMS');
const rsa = generateKey('rsa-pkcs1-sha384');
const p384 = generateKey();
const mlDsa = generateKey('ml-dsa-87');

describe('when a message is signed', () => {
  it.each([
    ['ecdsa-p384-sha384', p384],
    ['rsa-pkcs1-sha384', rsa],
    ['rsa-pss-sha384', rsa],
    ['ml-dsa-87', mlDsa],
  ] as const)('%s confirms it, and no other', (name, { privateKey, publicKey }) => {
    const signature = signWith(name, privateKey, message);
    expect(verifyWith(name, publicKey, message, signature)).toBe(true);
    expect(verifyWith(name, publicKey, Buffer.from('SHA512SUMs'), signature)).toBe(false);
    expect(verifyWith(name, publicKey, message, Buffer.alloc(0))).toBe(false);
    expect(verifyWith(name, publicKey, message, Buffer.concat([signature, Buffer.alloc(1)]))).toBe(
      false,
    );
  });

  it('supports the algorithms of trust documents', () => {
    expect([...allAlgorithms].sort()).toEqual([...algorithmNames].sort());
  });

  it('signs with the first algorithm of the kind of key', () => {
    expect(defaultAlgorithm(p384.privateKey)).toBe('ecdsa-p384-sha384');
    expect(defaultAlgorithm(rsa.publicKey)).toBe('rsa-pkcs1-sha384');
    expect(defaultAlgorithm(mlDsa.publicKey)).toBe('ml-dsa-87');
  });
});

describe('when a signature is of another scheme', () => {
  it('does not accept PKCS #1 as PSS, or a salt of another length', () => {
    const pkcs1 = signWith('rsa-pkcs1-sha384', rsa.privateKey, message);
    expect(verifyWith('rsa-pss-sha384', rsa.publicKey, message, pkcs1)).toBe(false);
    const short = sign('sha384', message, { key: rsa.privateKey, padding: 6, saltLength: 32 });
    expect(verifyWith('rsa-pss-sha384', rsa.publicKey, message, short)).toBe(false);
  });

  it.each(['sha1', 'md5', 'sha256', 'sha512'])('does not take %s for SHA-384', (hash) => {
    const other = sign(hash, message, rsa.privateKey);
    expect(verifyWith('rsa-pkcs1-sha384', rsa.publicKey, message, other)).toBe(false);
  });

  it('does not accept ML-DSA with a context', () => {
    const context = Buffer.from('other');
    const other = sign(null, message, { key: mlDsa.privateKey, context });
    expect(verifyWith('ml-dsa-87', mlDsa.publicKey, message, other)).toBe(false);
  });

  it('does not accept an ECDSA signature of zeros', () => {
    const zeros = Buffer.from('3006020100020100', 'hex');
    expect(verifyWith('ecdsa-p384-sha384', p384.publicKey, message, zeros)).toBe(false);
  });

  it('does not accept the raw form of an ECDSA signature', () => {
    const raw = sign('sha384', message, { key: p384.privateKey, dsaEncoding: 'ieee-p1363' });
    expect(verifyWith('ecdsa-p384-sha384', p384.publicKey, message, raw)).toBe(false);
  });
});

describe('when a key is of another kind or too weak', () => {
  const ec = (namedCurve: string): ReturnType<typeof generateKey> =>
    generateKeyPairSync('ec', { namedCurve });
  it.each([
    ['P-256', ec('prime256v1')],
    ['P-521', ec('secp521r1')],
    ['secp256k1', ec('secp256k1')],
    ['RSA-1024', generateKeyPairSync('rsa', { modulusLength: 1024 })],
    ['RSA-2048', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['Ed25519', generateKeyPairSync('ed25519')],
    ['ML-DSA-65', generateKeyPairSync('ml-dsa-65')],
  ])('refuses %s for every algorithm', async (_, { privateKey, publicKey }) => {
    await expectCode(() => defaultAlgorithm(privateKey), 'algorithm-refused');
    for (const name of allAlgorithms) {
      await expectCode(() => signWith(name, privateKey, message), 'algorithm-refused');
      await expectCode(() => verifyWith(name, publicKey, message, message), 'algorithm-refused');
    }
  });

  it('refuses an algorithm of another key', async () => {
    await expectCode(() => signWith('ml-dsa-87', p384.privateKey, message), 'algorithm-refused');
  });
});
