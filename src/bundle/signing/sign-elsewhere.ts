import { createHash } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import { momentOf } from '../../format/field.ts';
import type { SigningRequest } from '../../format/signing-request.ts';
import { parseCertificate } from '../../trust/certificate.ts';
import { requireSigner } from '../../trust/chain.ts';
import {
  attachSignature,
  type PreparedSignature,
  prepareSignature,
  type SignerIdentity,
} from '../../trust/cms-sign.ts';
import { type Acceptance, addSignature, openForSigning, type SignableBundle } from './sign.ts';

const BASE64_TEXT = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;

/** A bundle and the request for a signature with a key on another device or machine. */
export interface PreparedBundle {
  readonly bundle: SignableBundle;
  readonly prepared: PreparedSignature;
  readonly request: SigningRequest;
}

/**
 * The first half of signing a bundle with a key on another device or machine. Nothing is written.
 * @param now is truncated to the second
 * @throws StowageError as signBundle and prepareSignature
 */
export async function prepareBundle(
  folder: string,
  name: string,
  signer: SignerIdentity,
  now: Date,
): Promise<PreparedBundle> {
  return prepare(await openForSigning(folder, name), name, signer, now);
}

function prepare(
  bundle: SignableBundle,
  name: string,
  signer: SignerIdentity,
  now: Date,
): PreparedBundle {
  const signingTime = momentOf(now);
  requireSigner({ intermediates: [], ...signer, signingTime: new Date(signingTime) });
  const prepared = prepareSignature(bundle.checksums, signer, new Date(signingTime));
  const { algorithm, certificate, intermediates, toBeSigned } = prepared;
  const hash = algorithm === 'ml-dsa-87' ? 'sha512' : 'sha384';
  const request: SigningRequest = {
    schema: 'stowage/signing-request/v1',
    bundle: bundle.id,
    name,
    signingTime,
    algorithm,
    certificates: [certificate, ...intermediates].map((each) => each.der.toString('base64')),
    toBeSigned: toBeSigned.toString('base64'),
    digest: { algorithm: hash, value: createHash(hash).update(toBeSigned).digest('hex') },
  };
  return { bundle, prepared, request };
}

/**
 * The second half, in any later process. The request is not trusted: it is created again from the bundle and compared.
 * @param signature as {@link attachTo} takes it
 * @returns the path of the signature
 * @throws StowageError `document-invalid` for a request for another bundle, or one that was changed; `signature-invalid`
 */
export async function attachToBundle(
  folder: string,
  { request, signature }: { readonly request: SigningRequest; readonly signature: Buffer },
  acceptance: Acceptance,
): Promise<string> {
  const bundle = await openForSigning(folder, request.name);
  if (request.bundle !== bundle.id) throw otherBundle(request.bundle, bundle.id);
  const [certificate, ...intermediates] = request.certificates.map((each) =>
    parseCertificate(Buffer.from(each, 'base64')),
  );
  if (certificate === undefined) throw changed();
  const signer = { certificate, intermediates, algorithm: request.algorithm };
  const again = prepare(bundle, request.name, signer, new Date(request.signingTime));
  const { toBeSigned, digest } = again.request;
  if (toBeSigned !== request.toBeSigned || digest.value !== request.digest.value) throw changed();
  return attachTo(again, signature, acceptance);
}

/**
 * Adds a signature that was created on another device or machine.
 * @param signature ECDSA as DER or as r and s, RSA and ML-DSA raw; each also as base64
 * @returns the path of the signature file
 * @throws StowageError `signature-invalid` when the certificate's key did not sign the prepared bytes
 */
export async function attachTo(
  { bundle, prepared }: PreparedBundle,
  signature: Buffer,
  acceptance: Acceptance,
): Promise<string> {
  let refusal: unknown;
  for (const form of [signature, ...fromBase64(signature)]) {
    let file: Buffer;
    try {
      file = attachSignature(prepared, form);
    } catch (error) {
      refusal ??= error;
      continue;
    }
    return addSignature(bundle, file, acceptance);
  }
  throw refusal instanceof StowageError && refusal.code === 'signature-invalid'
    ? notSigned(prepared, signature, refusal)
    : refusal;
}

function fromBase64(bytes: Buffer): Buffer[] {
  const text = bytes.toString('latin1');
  return BASE64_TEXT.test(text) ? [Buffer.from(text, 'base64')] : [];
}

function notSigned(
  { algorithm, certificate }: PreparedSignature,
  signature: Buffer,
  cause: unknown,
): StowageError {
  return new StowageError(
    'signature-invalid',
    'this is not a valid signature over the prepared bytes',
    {
      expected: `${algorithm} by the key of ${certificate.subject}, serial ${certificate.serial}`,
      found: `${counted(signature.length, 'byte')} that its public key does not verify`,
      hint: 'check that the token used the key of this certificate and hashed exactly once: sign the .tbs file with a mechanism that hashes, or its digest with one that does not',
      cause,
    },
  );
}

function otherBundle(expected: string, found: string): StowageError {
  return new StowageError(
    'document-invalid',
    'the signing request was prepared for another bundle',
    {
      expected: `a bundle whose SHA512SUMS has SHA-512 ${expected}`,
      found,
      hint: 'give the bundle that it was prepared for, or prepare a request for this one',
    },
  );
}

function changed(): StowageError {
  return new StowageError('document-invalid', 'the signing request does not match the bundle', {
    expected: 'the bytes made from the bundle, the certificate and the signing time',
    found: 'different bytes',
    hint: 'prepare the signature again with stowage sign --prepare',
  });
}
