import { StowageError } from '../../core/error.ts';
import type { Trust } from '../../format/trust.ts';
import { evaluateSignatures, type SignerVerdict } from '../../trust/policy.ts';
import type { SignatureFile, SignedContent } from '../../trust/signature-file.ts';

/** The signed content and the release signatures that hold. */
export interface Released {
  readonly trust: Trust;
  readonly content: Uint8Array;
  readonly signatures: readonly SignatureFile[];
  readonly signers: readonly SignerVerdict[];
  readonly now: Date;
}

/**
 * The signatures that approve a release. No key counts for both roles: where a root serves both, there must be as many
 * keys as both thresholds together.
 * @throws StowageError `threshold-unmet`, `signer-untrusted` (no such role), and as {@link evaluateSignatures}
 */
export function requireApproved(released: Released): SignerVerdict[] {
  const { trust, content, signatures, signers, now } = released;
  const approvals = evaluateSignatures(trust, 'approval', { content, signatures }, now);
  const counted = approvals.filter((each) => each.counted);
  const { release, approval = release } = trust.roles;
  const keys = new Set([...signers.filter((each) => each.counted), ...counted].map(keyOf));
  if (keys.size >= release.threshold + approval.threshold) return counted;
  throw new StowageError(
    'threshold-unmet',
    'too few approval signatures in addition to the release signatures',
    {
      expected: `${release.threshold + approval.threshold} keys, since one key cannot release and approve`,
      found: String(keys.size),
      hint: 'ask somebody who did not sign the release to approve the bundle',
    },
  );
}

/** {@link requireApproved} where approval is optional: none without such a role or with too few signatures. */
export function approversOf(released: Released): SignerVerdict[] {
  try {
    return requireApproved(released);
  } catch (error) {
    if (error instanceof StowageError) return [];
    throw error;
  }
}

function keyOf({ keyFingerprint }: SignerVerdict): string {
  return keyFingerprint;
}

/** The signatures of an imported release, and the trust document that applies now. */
export interface SignedRelease {
  readonly trust: Trust;
  readonly signed: SignedContent;
  /** Whether the role `approval` must have signed as well. */
  readonly requireApproval: boolean;
  readonly now: Date;
}

/**
 * The revoked signers without whom a release has too few signatures, with the reason of the trust document; undefined if there
 * are none. Only a revocation counts: a trust document that no longer names a root, or requires more signatures, does not
 * affect what was imported under an earlier one.
 * @throws StowageError as {@link evaluateSignatures} for signatures that are not valid
 */
export function revokedSigner(release: SignedRelease): string | undefined {
  const { trust, signed, requireApproval, now } = release;
  try {
    const signers = evaluateSignatures(trust, 'release', signed, now);
    if (requireApproval) requireApproved({ trust, ...signed, signers, now });
    return undefined;
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    const { roots } = trust.roles.release;
    const all = { ...trust, roles: { ...trust.roles, release: { roots, threshold: 0 } } };
    const revoked = evaluateSignatures(all, 'release', signed, now).flatMap((each) =>
      each.revoked === undefined ? [] : [`${each.subject}, ${each.revoked}`],
    );
    return revoked.length === 0 ? undefined : [...new Set(revoked)].join('; ');
  }
}
