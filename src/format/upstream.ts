import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import * as field from './field.ts';

/** Which signature over a model or an image the manifest requires. Paths are relative to the manifest. */
export interface SignatureRequirement {
  /** Whether content without a valid signature is refused; otherwise the result is recorded. */
  readonly required: boolean;
  /** A public key in PEM. Exactly one of this, `root` and `trustedRoot`. */
  readonly key?: string;
  /** Certificates in PEM: roots, intermediates, or the signer's own. */
  readonly root?: string;
  /** A Sigstore trusted root (`trusted_root.json`): CAs, transparency logs, CT logs and timestamp authorities for keyless signatures. */
  readonly trustedRoot?: string;
  /** An email address, host name, URI or Fulcio user name of the signer's certificate, or its full subject. */
  readonly identity?: string;
  /** The OIDC issuer that authenticated the signer, as Fulcio wrote it into the certificate. */
  readonly issuer?: string;
  /** The public key, in PEM, of the transparency log that must have recorded the signature; a trusted root names its own. */
  readonly log?: string;
}

export interface ModelSignatureRequirement extends SignatureRequirement {
  /** The signature's path in the repository. */
  readonly file: string;
}

/** The result of verifying a requirement: `absent` when there is no signature at all. */
export interface SignatureVerdict {
  readonly result: 'passed' | 'failed' | 'absent';
  /** Why verification failed. */
  readonly reason?: string;
  /** The format of the signature. */
  readonly form?: 'model-signing' | 'cosign' | 'sigstore-bundle';
  /** The signature file, or the artifact that holds it. */
  readonly signature?: Digest;
  /** The key, certificate and trusted root files that the verdict rests on. */
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
  /** Whether a transparency log recorded the signature: `unchecked` when an entry is present and nothing to verify it with was given. */
  readonly log: 'verified' | 'unchecked' | 'none';
  /** The earliest verified time of signing, by a log or a timestamp authority; absent without one. */
  readonly signedAt?: string;
  /** Files of the model that the signature excludes by its own rules. */
  readonly unsigned?: readonly string[];
}

const words: z.ZodType<string> = field.someLine(1024, 'expected at least one character');

const requirementShape = {
  required: z.boolean().default(true),
  key: words.exactOptional(),
  root: words.exactOptional(),
  trustedRoot: words.exactOptional(),
  identity: words.exactOptional(),
  issuer: words.exactOptional(),
  log: words.exactOptional(),
};

function consistent(requirement: SignatureRequirement, context: z.core.$RefinementCtx): void {
  const { key, root, trustedRoot, identity, issuer, log } = requirement;
  const defect = (message: string): void => {
    context.addIssue({ code: 'custom', input: requirement, message });
  };
  if ([key, root, trustedRoot].filter((each) => each !== undefined).length !== 1)
    defect('expected exactly one of key, root and trustedRoot');
  if (key !== undefined && (identity ?? issuer) !== undefined)
    defect('identity and issuer belong to certificates: expected root or trustedRoot');
  // Anyone who can log in to the issuer gets a certificate from Fulcio.
  if (trustedRoot !== undefined && (identity === undefined || issuer === undefined))
    defect('expected identity and issuer with trustedRoot');
  if (trustedRoot !== undefined && log !== undefined)
    defect('a trusted root names its own logs: expected no log');
}

/** The member `signature` of an image. */
export const imageSignature: z.ZodType<SignatureRequirement> = field.exact(
  z.strictObject(requirementShape).superRefine(consistent),
);

/** The member `signature` of a model. */
export const modelSignature: z.ZodType<ModelSignatureRequirement> = field.exact(
  z
    .strictObject({ ...requirementShape, file: field.safePath.default('model.sig') })
    .superRefine(consistent),
);

/** The verdict, as a lock and a bundle record it. */
export const verdict: z.ZodType<SignatureVerdict> = field.exact(
  z.strictObject({
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
  }),
);
