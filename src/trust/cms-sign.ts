import { createPublicKey, type KeyObject } from 'node:crypto';
import { StowageError } from '../core/error.ts';
import { MAX_SIGNATURE_CERTIFICATES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
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
import { integer, sequence } from './der.ts';
import { encodePublicKey } from './public-key.ts';
import { invalid } from './signature-file.ts';

const P384_RAW_BYTES = 96;

/** A signer: its certificate, the CA certificates up to its root, and the algorithm. */
export interface SignerIdentity {
  readonly certificate: Certificate;
  /** CA certificates between the certificate and its root, without the root. */
  readonly intermediates?: readonly Certificate[];
  /** By default that of the certificate's key. */
  readonly algorithm?: AlgorithmName;
}

/** A signer with its private key. */
export interface Signer extends SignerIdentity {
  readonly key: KeyObject;
}

/** A signature without the value that the private key calculates. */
export interface PreparedSignature extends SignedAttributes {
  readonly intermediates: readonly Certificate[];
  /** The bytes to sign; `algorithm` includes the hash. */
  readonly toBeSigned: Buffer;
}

/**
 * Makes a detached signature.
 * @param signingTime truncated to the second
 * @returns a CMS SignedData in DER
 * @throws StowageError `algorithm-refused`; `key-invalid` if the key does not match the certificate
 */
export function signDetached(content: Uint8Array, signer: Signer, signingTime: Date): Buffer {
  if (!belongsTo(signer.key, signer.certificate)) throw foreignKey(signer.certificate);
  const prepared = prepareSignature(content, signer, signingTime);
  const signature = signWith(prepared.algorithm, signer.key, prepared.toBeSigned);
  return attachSignature(prepared, signature);
}

/**
 * The first half of signing, for an external key. The same arguments always give the same bytes, so {@link attachSignature}
 * can run in another process.
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
 * The second half: makes the signature file.
 * @param signature the value from the key; ECDSA as DER, or as r and s of 48 bytes each, as PKCS #11 returns it
 * @throws StowageError `signature-invalid` if the certificate's key did not sign the prepared bytes
 */
export function attachSignature(prepared: PreparedSignature, signature: Uint8Array): Buffer {
  const found = encodings(signature).find((each) =>
    verifyWith(prepared.algorithm, prepared.certificate.publicKey, prepared.toBeSigned, each),
  );
  if (found !== undefined) return encodeSignature({ ...prepared, signature: found }).bytes;
  throw invalid(
    'the signature is not for the prepared bytes',
    `a signature by the key of ${prepared.certificate.subject}`,
    `${counted(signature.length, 'byte')} that its public key does not verify`,
  );
}

/** The possible encodings. No other algorithm has signatures of the length of r and s. */
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
  return new StowageError('key-invalid', 'the private key does not match the certificate', {
    expected: `the key of ${certificate.subject}, whose public half has SHA-256 ${certificate.keyFingerprint}`,
    found: 'another key',
    hint: 'give a certificate and its own key',
  });
}

function otherAlgorithm(algorithm: AlgorithmName, certificate: Certificate): StowageError {
  return new StowageError('algorithm-refused', 'the key cannot use this algorithm', {
    expected: defaultAlgorithm(certificate.publicKey),
    found: algorithm,
    hint: 'choose an algorithm for this kind of key, or another key',
  });
}

function tooMany(count: number): StowageError {
  return new StowageError('certificate-invalid', 'too many certificates for one signature', {
    expected: `at most ${MAX_SIGNATURE_CERTIFICATES}, the signer's included`,
    found: String(count),
    hint: 'give only the intermediate CA between the signer and its root',
  });
}
