import { StowageError } from '../../core/error.ts';
import type { Trust } from '../../format/trust.ts';
import { evaluateSignatures, type SignatureFile, type SignerVerdict } from '../../trust/policy.ts';

/** What is signed, and the signatures that were found to release it. */
export interface Released {
  readonly trust: Trust;
  readonly content: Uint8Array;
  readonly signatures: readonly SignatureFile[];
  readonly signers: readonly SignerVerdict[];
  readonly now: Date;
}

/**
 * The signatures that approve what others released. One key never does both: where a root serves both roles, there
 * are as many keys as both thresholds together.
 * @throws StowageError `threshold-unmet`, `signer-untrusted` (no such role), and as {@link evaluateSignatures}
 */
export function requireApproved(released: Released): SignerVerdict[] {
  const { trust, content, signatures, signers, now } = released;
  const approvals = evaluateSignatures(trust, 'approval', content, signatures, now);
  const counted = approvals.filter((each) => each.counted);
  const { release, approval = release } = trust.roles;
  const keys = new Set([...signers.filter((each) => each.counted), ...counted].map(keyOf));
  if (keys.size >= release.threshold + approval.threshold) return counted;
  throw new StowageError('threshold-unmet', 'too few approval signatures beside the release', {
    expected: `${release.threshold + approval.threshold} keys, since one key cannot release and approve`,
    found: String(keys.size),
    hint: 'have the bundle approved by somebody who did not release it',
  });
}

/** {@link requireApproved} where nobody asks for it: none when there is no such role, or too few of it signed. */
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
