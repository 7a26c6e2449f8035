import { createPublicKey, type KeyObject } from 'node:crypto';
import { StowageError } from '../core/error.ts';
import { MAX_SIGNATURE_CERTIFICATES } from '../core/limits.ts';
import {
  type AlgorithmName,
  algorithmFits,
  defaultAlgorithm,
  digestWith,
  signWith,
  verifyWith,
} from './algorithm.ts';
import type { Certificate } from './certificate.ts';
import { encodeSignature, encodeSignedAttributes, type SignedAttributes } from './cms-encoding.ts';
import { integer, sequence } from './der-build.ts';
import { encodePublicKey } from './public-key.ts';
import { invalid } from './signature-error.ts';

const P384_RAW_BYTES = 96;

/** Who signs: the certificate, what leads from it to a root, and how. */
export interface SignerIdentity {
  readonly certificate: Certificate;
  /** Authorities between the certificate and its root, the root left out. */
  readonly intermediates?: readonly Certificate[];
  /** The default of the certificate's key unless said otherwise. */
  readonly algorithm?: AlgorithmName;
}

/** A signer whose private key is at hand. */
export interface Signer extends SignerIdentity {
  readonly key: KeyObject;
}

/** A signature that lacks only the calculation with the private key. */
export interface PreparedSignature extends SignedAttributes {
  readonly intermediates: readonly Certificate[];
  /** The bytes to sign: hash and signature together are what `algorithm` names. */
  readonly toBeSigned: Buffer;
}

/**
 * Signs content that stays outside of the signature.
 * @param signingTime cut to the second
 * @returns a CMS SignedData in DER
 * @throws StowageError `algorithm-refused`; `key-invalid` when the key is not the certificate's
 */
export function signDetached(content: Uint8Array, signer: Signer, signingTime: Date): Buffer {
  if (!belongsTo(signer.key, signer.certificate)) throw foreignKey(signer.certificate);
  const prepared = prepareSignature(content, signer, signingTime);
  const signature = signWith(prepared.algorithm, signer.key, prepared.toBeSigned);
  return attachSignature(prepared, signature);
}

/**
 * The first half of signing, for a key that lives elsewhere. The same arguments always give the same bytes, so that
 * {@link attachSignature} can run in another process.
 * @throws StowageError `algorithm-refused`
 */
export function prepareSignature(
  content: Uint8Array,
  signer: SignerIdentity,
  signingTime: Date,
): PreparedSignature {
  const { certificate, intermediates = [] } = signer;
  const algorithm = signer.algorithm ?? defaultAlgorithm(certificate.publicKey);
  if (!algorithmFits(algorithm, certificate.publicKey))
    throw otherAlgorithm(algorithm, certificate);
  if (intermediates.length >= MAX_SIGNATURE_CERTIFICATES) throw tooMany(intermediates.length + 1);
  const contentDigest = digestWith(algorithm, content);
  const attributes = { algorithm, certificate, contentDigest, signingTime };
  return { ...attributes, intermediates, toBeSigned: encodeSignedAttributes(attributes).bytes };
}

/**
 * The second half: the signature file.
 * @param signature what the key returned; ECDSA as DER, or as the r and s of 48 bytes each that PKCS #11 returns
 * @throws StowageError `signature-invalid` when it is not a signature of the prepared bytes by the certificate's key
 */
export function attachSignature(prepared: PreparedSignature, signature: Uint8Array): Buffer {
  const found = encodings(signature).find((each) =>
    verifyWith(prepared.algorithm, prepared.certificate.publicKey, prepared.toBeSigned, each),
  );
  if (found !== undefined) return encodeSignature({ ...prepared, signature: found }).bytes;
  throw invalid(
    'a signature that does not belong to the prepared bytes',
    `a signature by the key of ${prepared.certificate.subject}`,
    `${signature.length} bytes that its public key does not confirm`,
  );
}

/** What it may have meant. Of the other algorithms no signature is as long as r and s. */
function encodings(signature: Uint8Array): Buffer[] {
  const given = Buffer.from(signature);
  if (given.length !== P384_RAW_BYTES) return [given];
  const half = P384_RAW_BYTES / 2;
  return [given, sequence(integer(given.subarray(0, half)), integer(given.subarray(half))).bytes];
}

function belongsTo(key: KeyObject, certificate: Certificate): boolean {
  const publicKey = encodePublicKey(createPublicKey(key));
  return publicKey.equals(encodePublicKey(certificate.publicKey));
}

function foreignKey(certificate: Certificate): StowageError {
  return new StowageError('key-invalid', 'a private key that is not of the certificate', {
    expected: `the key of ${certificate.subject}, whose public half has SHA-256 ${certificate.keyFingerprint}`,
    found: 'another key',
    hint: 'name a key and a certificate that belong together',
  });
}

function otherAlgorithm(algorithm: AlgorithmName, certificate: Certificate): StowageError {
  return new StowageError('algorithm-refused', 'an algorithm that the key cannot use', {
    expected: defaultAlgorithm(certificate.publicKey),
    found: algorithm,
    hint: 'choose an algorithm for this kind of key, or another key',
  });
}

function tooMany(count: number): StowageError {
  return new StowageError('certificate-invalid', 'too many certificates for one signature', {
    expected: `at most ${MAX_SIGNATURE_CERTIFICATES}, the signer's included`,
    found: String(count),
    hint: 'give the one authority between the signer and its root, and no other',
  });
}
