import { whyNotCounted } from '../../bundle/report/describe-signatures.ts';
import type { SignerVerdict } from '../../trust/policy.ts';

/** One line per approval. */
export function approverLines(approvers: readonly SignerVerdict[]): string[] {
  return approvers.map(({ subject, name }) => `  approved by ${subject}, with ${name}`);
}

/** One line per signature: signer, time, algorithm, and whether it counts. */
export function signerLines(signers: readonly SignerVerdict[]): string[] {
  return signers.map((signer) => {
    const when = signer.signingTime.toISOString().slice(0, 19).replace('T', ' ');
    const verdict = signer.counted
      ? `counts, under root ${signer.root ?? ''}`.trimEnd()
      : `does not count: ${whyNotCounted(signer) ?? ''}`;
    return `  signed by ${signer.subject}, ${when} UTC, ${signer.algorithm}, ${verdict}`;
  });
}
