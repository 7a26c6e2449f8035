import { StowageError } from '../core/error.ts';
import type { RoleName, Trust } from '../format/trust.ts';
import { evaluateSignatures, type SignerVerdict } from '../trust/policy.ts';
import type { SignedContent } from '../trust/signature-file.ts';

/**
 * Whether a document of the fleet has the signatures that a role needs: by one of the fleet's trust documents, newest first, so
 * that a renewed root does not invalidate what was signed before. What the newest one revokes counts under none of them.
 * @param trust oldest first
 * @throws StowageError as {@link evaluateSignatures}, by the newest document
 */
export function judgeFact(
  trust: readonly Trust[],
  role: RoleName,
  signed: SignedContent,
  now: Date,
): SignerVerdict[] {
  const newest = trust.at(-1);
  let first: unknown;
  for (const each of trust.toReversed()) {
    try {
      return evaluateSignatures({ ...each, revoked: newest?.revoked ?? [] }, role, signed, now);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      first ??= error;
    }
  }
  throw first;
}
