import type { KeyObject } from 'node:crypto';
import { momentOf } from '../../format/field.ts';
import type { SignatureVerdict } from '../../format/upstream.ts';
import { type PublisherCertificate, parseCertificate } from './publisher-certificate.ts';
import { describeHolder, requireChain, requireSigningLeaf } from './publisher-chain.ts';
import { refuse } from './refusal.ts';
import type { OpenedRequirement } from './requirement.ts';
import { type PresentedSignature, verifyKeyless, verifyLogged } from './sigstore-verifier.ts';
import { isSignedWith, keyFingerprint } from './upstream-key.ts';

/** What OpenSSL computes through node:crypto is pure Ed25519. */
const PREHASHED =
  'cosign signs images with Ed25519ph, which this runtime cannot compute: ask the publisher for a signature with a key on P-256';

export type VerifiedSigner = Pick<SignatureVerdict, 'signer' | 'log' | 'signedAt'>;

/**
 * Verifies one signature against a requirement: the cryptography, then who signed, then when. Without a verified log
 * entry nothing proves the time of signing, so a certificate must be valid at `now`.
 * @throws StowageError `upstream-refused`
 */
export function verifySigner(
  presented: PresentedSignature,
  opened: OpenedRequirement,
  now: Date,
): VerifiedSigner {
  const { signed, signature, certificates, rule } = presented;
  const chain = opened.key === undefined ? certificates.map(parseCertificate) : [];
  const [leaf] = chain;
  const key = opened.key ?? leaf?.publicKey;
  if (key === undefined)
    throw refuse('a signature by a bare key', 'a signer with a certificate', 'no certificate');
  if (!isSignedWith(key, signed, signature, rule))
    throw refuse(
      'an invalid signature',
      `a signature by ${leaf === undefined ? `key ${keyFingerprint(key)}` : describeHolder(leaf)}`,
      'a signature by another key, or over other bytes',
      key.asymmetricKeyType === 'ed25519' ? PREHASHED : undefined,
    );
  const signedAt =
    leaf === undefined
      ? loggedAt(presented, opened, key)
      : verifyHolder(presented, opened, chain, now);
  return {
    signer: signerOf(leaf, key),
    log:
      signedAt === undefined
        ? presented.evidence === undefined
          ? 'none'
          : 'unchecked'
        : 'verified',
    ...(signedAt !== undefined && { signedAt: momentOf(signedAt) }),
  };
}

/** @returns the verified time of signing */
function verifyHolder(
  presented: PresentedSignature,
  opened: OpenedRequirement,
  chain: readonly PublisherCertificate[],
  now: Date,
): Date | undefined {
  const [leaf, ...others] = chain as [PublisherCertificate, ...PublisherCertificate[]];
  const { trustedRoot, anchors } = opened;
  if (trustedRoot !== undefined) {
    requireSigningLeaf(leaf);
    const signedAt = verifyKeyless(presented, leaf.publicKey, trustedRoot);
    requireIdentity(leaf, opened);
    return signedAt;
  }
  const signedAt = loggedAt(presented, opened, leaf.publicKey);
  requireChain({ leaf, others, anchors, moment: signedAt ?? now });
  requireIdentity(leaf, opened);
  return signedAt;
}

function loggedAt(
  presented: PresentedSignature,
  { log }: OpenedRequirement,
  key: KeyObject,
): Date | undefined {
  return log === undefined ? undefined : verifyLogged(presented, key, log);
}

function requireIdentity(leaf: PublisherCertificate, { requirement }: OpenedRequirement): void {
  const { identity, issuer, trustedRoot } = requirement;
  const names = leaf.identities ?? [];
  // Fulcio leaves the subject empty, so it identifies no one.
  const matches = (name: string): boolean =>
    names.includes(name) || (trustedRoot === undefined && leaf.subject === name);
  if (identity !== undefined && !matches(identity))
    throw refuse(
      'a signature by another identity',
      identity,
      describeHolder(leaf),
      'check identity in the manifest: it must equal the identity in the certificate exactly',
    );
  if (issuer !== undefined && leaf.oidcIssuer !== issuer)
    throw refuse(
      'an identity from another issuer',
      issuer,
      leaf.oidcIssuer ?? 'none',
      'check issuer in the manifest: it must equal the OIDC issuer in the certificate exactly',
    );
}

function signerOf(
  leaf: PublisherCertificate | undefined,
  key: KeyObject,
): NonNullable<SignatureVerdict['signer']> {
  if (leaf === undefined) return { key: keyFingerprint(key) };
  return {
    key: keyFingerprint(key),
    certificate: leaf.fingerprint,
    ...(leaf.subject !== '' && { subject: leaf.subject }),
    ...(leaf.identities !== undefined && { identities: leaf.identities }),
    ...(leaf.oidcIssuer !== undefined && { issuer: leaf.oidcIssuer }),
  };
}
