import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { integer, nullValue, octetString, oid, sequence } from './der-build.ts';
import { oids } from './oid.ts';

/** OpenSSL's default of 2,048 does not protect a stolen file. */
const ITERATIONS = 210_000;
const SALT_BYTES = 16;
const IV_BYTES = 16;
const KEY_BYTES = 32;

/**
 * A PrivateKeyInfo as an EncryptedPrivateKeyInfo (RFC 5958 section 3): PBES2 with PBKDF2, HMAC-SHA-512 and
 * AES-256-CBC (RFC 8018 section 6.2), which `openssl pkey` reads.
 */
export function encryptPrivateKeyInfo(info: Uint8Array, passphrase: Uint8Array): Buffer {
  const salt = randomBytes(SALT_BYTES);
  const iv = randomBytes(IV_BYTES);
  const key = pbkdf2Sync(passphrase, salt, ITERATIONS, KEY_BYTES, 'sha512');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const encrypted = Buffer.concat([cipher.update(info), cipher.final()]);
  key.fill(0);
  const derivation = sequence(
    oid(oids.pbkdf2),
    sequence(
      octetString(salt),
      integer(ITERATIONS),
      sequence(oid(oids.hmacWithSha512), nullValue()),
    ),
  );
  const encryption = sequence(oid(oids.aes256Cbc), octetString(iv));
  const scheme = sequence(oid(oids.pbes2), sequence(derivation, encryption));
  return sequence(scheme, octetString(encrypted)).bytes;
}
