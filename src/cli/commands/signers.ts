import { whyNotCounted } from '../../bundle/report/describe-signatures.ts';
import type { SignerVerdict } from '../../trust/policy.ts';

/** One line per signature: signer, time, algorithm, and whether it counts, also as an approval. */
export function signerLines(
  signers: readonly SignerVerdict[],
  approvers: readonly SignerVerdict[] = [],
): string[] {
  return signers.map((signer) => {
    const when = signer.signingTime.toISOString().slice(0, 19).replace('T', ' ');
    const approves = approvers.some(({ name }) => name === signer.name);
    const counts = `counts${signer.counted ? '' : ' as approval'}`;
    const also = signer.counted && approves ? ', also as approval' : '';
    const verdict =
      signer.counted || approves
        ? `${counts}, under root ${signer.root ?? ''}`.trimEnd() + also
        : `does not count: ${whyNotCounted(signer) ?? ''}`;
    return `  ${approves && !signer.counted ? 'approved' : 'signed'} by ${signer.subject}, ${when} UTC, ${signer.algorithm}, ${verdict}`;
  });
}
