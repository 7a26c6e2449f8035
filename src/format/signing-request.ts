import * as z from 'zod';
import { KIB } from '../core/limits.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import * as field from './field.ts';
import { base64Text, forEditors } from './for-editors.ts';
import { type AlgorithmName, algorithmNames } from './trust.ts';

/** The output of `sign --prepare` for an external key: a signature without the value that the key calculates. */
export interface SigningRequest {
  readonly schema: 'stowage/signing-request/v1';
  /** SHA-512 of the bundle's `SHA512SUMS`. */
  readonly bundle: string;
  /** The name of the file under `signatures/`, without `.p7s`. */
  readonly name: string;
  readonly signingTime: string;
  readonly algorithm: AlgorithmName;
  /** DER in base64: the signer's certificate, then CA certificates between it and its root. */
  readonly certificates: readonly string[];
  /** The bytes to sign, in base64: the signed attributes of the CMS file (RFC 5652 section 5.4). */
  readonly toBeSigned: string;
  /**
   * A hash of those bytes. A token whose mechanism does not hash signs this value; for ML-DSA-87, which signs the bytes
   * themselves, it is for comparison only.
   */
  readonly digest:
    | { readonly algorithm: 'sha384'; readonly value: string }
    | { readonly algorithm: 'sha512'; readonly value: string };
}

const MAX_BYTES: number = 512 * KIB;

/** The name of a file under `signatures/`, without `.p7s`. */
export const SIGNATURE_NAME: RegExp = /^[a-z0-9][a-z0-9._-]{0,99}$/;

const base64 = forEditors(
  z
    .string()
    .min(4)
    .refine((text) => Buffer.from(text, 'base64').toString('base64') === text, 'expected base64'),
  { pattern: base64Text },
);

const schema: z.ZodType<SigningRequest> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/signing-request/v1'),
    bundle: field.hex(128),
    name: z.string().regex(SIGNATURE_NAME, 'expected lower-case letters, digits and hyphens'),
    signingTime: field.moment,
    algorithm: z.enum(algorithmNames),
    certificates: z.array(base64).min(1),
    toBeSigned: base64,
    digest: z.discriminatedUnion('algorithm', [
      z.strictObject({ algorithm: z.literal('sha384'), value: field.hex(96) }),
      z.strictObject({ algorithm: z.literal('sha512'), value: field.hex(128) }),
    ]),
  }),
);

export const signingRequestKind: DocumentKind<SigningRequest> = {
  name: 'signing request',
  versionIn: schemaMember('signing-request'),
  code: 'document-invalid',
  schema,
  maxBytes: MAX_BYTES,
  hint: 'prepare the signature again with stowage sign --prepare',
};
