import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MAX_CERTIFICATE_BYTES } from '../../src/core/limits.ts';
import {
  decodePrivateKey,
  encodePrivateKey,
  generateKey,
  type KeyPair,
} from '../../src/trust/key.ts';
import { encodePublicKey } from '../../src/trust/public-key.ts';
import { expectCode } from '../support/error.ts';
import { openssl } from './openssl.ts';

const folder = mkdtempSync(join(tmpdir(), 'stowage-key-'));
afterAll(() => rmSync(folder, { recursive: true }));

const passphrase = Buffer.from('correct horse');
const p384 = generateKey();
const encrypted = encodePrivateKey(p384.privateKey, passphrase);
const publicOf = (key: KeyObject): Buffer => encodePublicKey(createPublicKey(key));

describe('when a key is written', () => {
  it.each<[string, KeyPair]>([
    ['P-384', p384],
    ['RSA', generateKey('rsa-pss-sha384')],
    ['ML-DSA-87', generateKey('ml-dsa-87')],
  ])('reads %s back, plain and encrypted', (_, { privateKey, publicKey }) => {
    const plain = encodePrivateKey(privateKey);
    expect(plain).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(publicOf(decodePrivateKey(plain))).toEqual(encodePublicKey(publicKey));
    const sealed = encodePrivateKey(privateKey, passphrase);
    expect(sealed).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    const opened = decodePrivateKey(Buffer.from(sealed), passphrase);
    expect(publicOf(opened)).toEqual(encodePublicKey(publicKey));
  });

  it('is read from a file of the maximum size', async () => {
    const plain = encodePrivateKey(p384.privateKey);
    const full = plain.padEnd(MAX_CERTIFICATE_BYTES, '\n');
    expect(publicOf(decodePrivateKey(full))).toEqual(encodePublicKey(p384.publicKey));
    await expectCode(() => decodePrivateKey(`${full}\n`), 'key-invalid');
  });

  it('never encrypts to the same bytes twice', () => {
    expect(encodePrivateKey(p384.privateKey, passphrase)).not.toBe(encrypted);
  });

  it('can be decrypted by openssl, with a slow key derivation', () => {
    writeFileSync(join(folder, 'key.pem'), encrypted);
    const opened = openssl(
      ['pkey', '-in', 'key.pem', '-passin', `pass:${passphrase}`, '-pubout'],
      folder,
    );
    expect(opened.stdout).toBe(p384.publicKey.export({ type: 'spki', format: 'pem' }));
    const { stdout } = openssl(['asn1parse', '-in', 'key.pem'], folder);
    expect(stdout).toMatch(/hmacWithSHA512.*aes-256-cbc/s);
    expect(stdout).toContain(`INTEGER           :0${(210_000).toString(16).toUpperCase()}`);
  });

  it('refuses an empty passphrase', async () => {
    const empty = Buffer.alloc(0);
    await expectCode(() => encodePrivateKey(p384.privateKey, empty), 'key-invalid');
  });
});

describe('when a key file cannot be used', () => {
  const sec1 = p384.privateKey.export({ type: 'sec1', format: 'pem' });
  const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const plain = pkcs8(p384.privateKey);
  const weak = (pair: KeyPair): string => pkcs8(pair.privateKey);

  it.each<[string, string | Buffer, Buffer | undefined, RegExp]>([
    ['a wrong passphrase', encrypted, Buffer.from('tr0ub4dor&3'), /check the passphrase/],
    ['no passphrase', encrypted, undefined, /give the passphrase/],
    ['an empty passphrase', encrypted, Buffer.alloc(0), /check the passphrase/],
    ['a key in the form of SEC 1', sec1, undefined, /openssl pkcs8 -topk8/],
    ['a public key', p384.publicKey.export({ type: 'spki', format: 'pem' }), undefined, /convert/],
    ['two keys', plain + plain, undefined, /one PKCS #8 key/],
    ['no key', 'hello', undefined, /one PKCS #8 key/],
    ['DER', p384.privateKey.export({ type: 'pkcs8', format: 'der' }), undefined, /PEM/],
    ['half of a key', plain.slice(0, 100), undefined, /backup/],
    ['a damaged key', plain.replace(/\n..../, '\nAAAA'), undefined, /backup/],
    ['a file of a megabyte', 'x'.repeat(1 << 20), undefined, /only the key/],
    ['P-256', weak(generateKeyPairSync('ec', { namedCurve: 'P-256' })), undefined, /accepted kind/],
    ['RSA-2048', weak(generateKeyPairSync('rsa', { modulusLength: 2048 })), undefined, /accepted/],
    ['Ed25519', weak(generateKeyPairSync('ed25519')), undefined, /accepted kind/],
  ])('refuses %s, with a remedy and no secret', async (_, file, secret, hint) => {
    const error = await expectCode(() => decodePrivateKey(file, secret), 'key-invalid');
    expect(error.hint).toMatch(hint);
    expect(error.cause).toBeUndefined();
    const said = JSON.stringify({ ...error, message: error.message, stack: error.stack });
    for (const line of file
      .toString('latin1')
      .split('\n')
      .filter((each) => each.length > 40))
      if (!line.startsWith('-----')) expect(said).not.toContain(line.slice(0, 40));
    if (secret !== undefined && secret.length > 0) expect(said).not.toContain(secret.toString());
  });
});
