import { StowageError } from '../../core/error.ts';
import type { Trust } from '../../format/trust.ts';
import { evaluateSignatures, type SignerVerdict } from '../../trust/policy.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';

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
