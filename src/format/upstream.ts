import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import * as field from './field.ts';

/** Whose signature over a model or an image the manifest asks for. Paths are relative to the manifest. */
export interface SignatureDemand {
  /** Whether content without it is refused; otherwise what was found is recorded. */
  readonly required: boolean;
  /** A public key in PEM. Either this or `root`. */
  readonly key?: string;
  /** Certificates in PEM: roots, authorities, or the signer's own. */
  readonly root?: string;
  /** A mail address, host name, URI or Fulcio user of the signer's certificate, or its subject in full. */
  readonly identity?: string;
  /** Who vouched for the identity: the OIDC issuer that Fulcio wrote into the certificate. */
  readonly issuer?: string;
  /** The public key, in PEM, of the transparency log that must have recorded the signature. */
  readonly log?: string;
}

export interface ModelSignatureDemand extends SignatureDemand {
  /** The signature's path in the repository. */
  readonly file: string;
}

/** What became of a demand: `absent` when there is no signature at all. */
export interface SignatureVerdict {
  readonly result: 'passed' | 'failed' | 'absent';
  /** Why not. */
  readonly reason?: string;
  /** How the signature was written. */
  readonly form?: 'model-signing' | 'cosign' | 'sigstore-bundle';
  /** The signature file, or the artifact that holds it. */
  readonly signature?: Digest;
  /** The files beside the manifest that decided. */
  readonly trusted: readonly { readonly path: string; readonly digest: Digest }[];
  readonly signer?: {
    /** SHA-256 of the public key (SubjectPublicKeyInfo), in hex. */
    readonly key: string;
    /** SHA-256 of the certificate, in hex. */
    readonly certificate?: string;
    readonly subject?: string;
    readonly identities?: readonly string[];
    readonly issuer?: string;
  };
  /** Whether a transparency log vouches for the signature: `unchecked` when an entry came and no key was given. */
  readonly log: 'verified' | 'unchecked' | 'none';
  /** When the log says that it was signed; absent without a log that was verified. */
  readonly signedAt?: string;
  /** Files of the model that the signature leaves out by its own rules. */
  readonly unsigned?: readonly string[];
}

const words: z.ZodType<string> = field
  .line(1024)
  .refine((text) => text.length > 0, 'expected at least one character');

const demandShape = {
  required: z.boolean().default(true),
  key: words.exactOptional(),
  root: words.exactOptional(),
  identity: words.exactOptional(),
  issuer: words.exactOptional(),
  log: words.exactOptional(),
};

function consistent(demand: SignatureDemand, context: z.core.$RefinementCtx): void {
  const defect = (message: string): void => {
    context.addIssue({ code: 'custom', input: demand, message });
  };
  if ((demand.key === undefined) === (demand.root === undefined))
    defect('expected either key or root');
  if (demand.root === undefined && (demand.identity ?? demand.issuer) !== undefined)
    defect('identity and issuer are of certificates: expected root');
}

/** An image's member `signature`. */
export const imageSignature: z.ZodType<SignatureDemand> = z
  .strictObject(demandShape)
  .superRefine(consistent);

/** A model's member `signature`. */
export const modelSignature: z.ZodType<ModelSignatureDemand> = z
  .strictObject({ ...demandShape, file: field.safePath.default('model.sig') })
  .superRefine(consistent);

/** What a lock and a bundle keep of it. */
export const verdict: z.ZodType<SignatureVerdict> = z.strictObject({
  result: z.enum(['passed', 'failed', 'absent']),
  reason: field.line(1000).exactOptional(),
  form: z.enum(['model-signing', 'cosign', 'sigstore-bundle']).exactOptional(),
  signature: field.digest.exactOptional(),
  trusted: z
    .array(z.strictObject({ path: words, digest: field.digest }))
    .min(1)
    .max(3),
  signer: z
    .strictObject({
      key: field.hex(64),
      certificate: field.hex(64).exactOptional(),
      subject: field.line(4096).exactOptional(),
      identities: z.array(field.line(4096)).max(256).exactOptional(),
      issuer: field.line(4096).exactOptional(),
    })
    .exactOptional(),
  log: z.enum(['verified', 'unchecked', 'none']),
  signedAt: field.moment.exactOptional(),
  unsigned: z.array(field.safePath).max(100_000).exactOptional(),
});
