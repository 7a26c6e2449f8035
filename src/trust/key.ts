import {
  createCipheriv,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  pbkdf2Sync,
  randomBytes,
} from 'node:crypto';
import { StowageError } from '../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import {
  type AlgorithmName,
  acceptedKeys,
  keyDescription,
  keyKind,
  MIN_RSA_BITS,
  oids,
  unsupported,
} from './algorithm.ts';
import { integer, nullValue, octetString, oid, sequence } from './der.ts';
import { decodePem, encodePem } from './pem.ts';

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const PLAIN = 'PRIVATE KEY';
const ENCRYPTED = 'ENCRYPTED PRIVATE KEY';

/**
 * A new key for an algorithm: P-384, RSA of 3072 bits, or ML-DSA-87.
 * @throws StowageError `algorithm-refused` if the runtime cannot generate one
 */
export function generateKey(algorithm: AlgorithmName = 'ecdsa-p384-sha384'): KeyPair {
  switch (algorithm) {
    case 'ecdsa-p384-sha384':
      return generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    case 'rsa-pkcs1-sha384':
    case 'rsa-pss-sha384':
      return generateKeyPairSync('rsa', { modulusLength: MIN_RSA_BITS, publicExponent: 65537 });
    case 'ml-dsa-87':
      try {
        return generateKeyPairSync('ml-dsa-87');
      } catch (cause) {
        throw unsupported(algorithm, cause);
      }
  }
}

/**
 * A private key as a PKCS #8 file in PEM, encrypted if a passphrase is given.
 * @throws StowageError `key-invalid` for an empty passphrase
 */
export function encodePrivateKey(key: KeyObject, passphrase?: Uint8Array): string {
  const info = key.export({ type: 'pkcs8', format: 'der' });
  if (passphrase === undefined) return encodePem(PLAIN, info);
  if (passphrase.length === 0)
    throw refuse('an empty passphrase', 'give a passphrase, or request an unencrypted key');
  const encrypted = encodePem(ENCRYPTED, encryptPrivateKeyInfo(info, passphrase));
  info.fill(0);
  return encrypted;
}

/**
 * The private key in a PKCS #8 file in PEM, which must be of an accepted kind.
 * @throws StowageError `key-invalid`, which contains nothing of the file
 */
export function decodePrivateKey(pem: string | Uint8Array, passphrase?: Uint8Array): KeyObject {
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1');
  const key = load(onlyBlock(text), passphrase);
  if (keyKind(key) !== undefined) return key;
  throw refuse(keyDescription(key), 'generate a key of an accepted kind', acceptedKeys);
}

function onlyBlock(text: string): { label: string; bytes: Buffer } {
  if (text.length > MAX_CERTIFICATE_BYTES)
    throw refuse(
      `a file of ${counted(text.length, 'character')}`,
      'give a file that contains only the key',
    );
  const blocks = decodePem(text, (defect) => refuse(defect, 'restore the key from its backup'));
  const [block] = blocks;
  if (block === undefined || blocks.length > 1)
    throw refuse(`${blocks.length} PEM blocks`, 'give a PEM file with one PKCS #8 key');
  if (block.label === PLAIN || block.label === ENCRYPTED) return block;
  throw refuse(
    `a block of ${block.label}`,
    'convert a key of another format with: openssl pkcs8 -topk8 -in OLD -out NEW',
  );
}

// The message of OpenSSL is omitted: it adds nothing, and an error must not contain anything of a key.
function load(block: { label: string; bytes: Buffer }, passphrase?: Uint8Array): KeyObject {
  const encrypted = block.label === ENCRYPTED;
  if (encrypted && passphrase === undefined)
    throw refuse('an encrypted key without a passphrase', 'give the passphrase of the key');
  try {
    return createPrivateKey({
      key: block.bytes,
      format: 'der',
      type: 'pkcs8',
      ...(passphrase === undefined ? {} : { passphrase: Buffer.from(passphrase) }),
    });
  } catch {
    throw encrypted
      ? refuse(
          'an encrypted key that the passphrase does not open',
          'check the passphrase, and that the file is complete',
        )
      : refuse(
          'bytes that are not a key, or a key that this runtime cannot use',
          'restore the key from its backup, or generate a new one',
        );
  }
}

function refuse(found: string, hint: string, expected = 'one PKCS #8 key in PEM'): StowageError {
  return new StowageError('key-invalid', 'the private key cannot be used', {
    expected,
    found,
    hint,
  });
}

/** OpenSSL's default of 2,048 does not protect a stolen file. */
const ITERATIONS = 210_000;
const SALT_BYTES = 16;
const IV_BYTES = 16;
const KEY_BYTES = 32;

/**
 * A PrivateKeyInfo as an EncryptedPrivateKeyInfo (RFC 5958 section 3): PBES2 with PBKDF2, HMAC-SHA-512 and
 * AES-256-CBC (RFC 8018 section 6.2), which `openssl pkey` reads.
 */
function encryptPrivateKeyInfo(info: Uint8Array, passphrase: Uint8Array): Buffer {
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
