import { StowageError } from '../../core/error.ts';
import type { Trust } from '../../format/trust.ts';
import { evaluateSignatures } from '../../trust/policy.ts';
import type { SignedContent } from '../../trust/signature-file.ts';
import { requireApproved } from './approval.ts';

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
