import type { Receipt } from '../format/receipt.ts';
import { isHealthy, stateOf } from './receipt-state.ts';
import { type SiteDocument, siteOf } from './site-document.ts';

interface Verified {
  readonly site: string;
  readonly at: string;
  /** SHA-256 of the certificate that signed it. Nothing says yet that it is the site's. */
  readonly key: string;
}

export interface VerifiedReceipt extends Verified {
  readonly kind: 'receipt';
  readonly entries: number;
  readonly head: string;
  readonly generation: number;
  readonly highest: number;
  readonly intent: string;
  readonly outcome: string;
  readonly healthy: boolean;
  /** The JSON of its {@link stateOf}. */
  readonly state: string;
  /** Of the releases that run. */
  readonly bundles: readonly string[];
}

export interface VerifiedHandover extends Verified {
  readonly kind: 'handover';
  /** SHA-256 of the certificate that signs from then on. */
  readonly successor: string;
}

/** What the index keeps of a document whose signature is valid: plain data, which one thread can hand to another. */
export type VerifiedDocument = VerifiedReceipt | VerifiedHandover;

export function verifiedOf(document: SiteDocument): VerifiedDocument {
  const { content, certificate } = document;
  const site = siteOf(document);
  const key = certificate.fingerprint;
  if (content.kind === 'handover') {
    const { handover, successor } = content;
    return { kind: 'handover', site, at: handover.at, key, successor: successor.fingerprint };
  }
  return verifiedReceipt(content.receipt, key);
}

/** What the index keeps of a receipt. @param key that signed it */
export function verifiedReceipt(receipt: Receipt, key: string): VerifiedReceipt {
  const state = stateOf(receipt);
  return {
    ...{ kind: 'receipt', site: receipt.site, at: receipt.at, key },
    entries: receipt.ledger.number,
    head: receipt.ledger.digest,
    generation: receipt.generation,
    highest: receipt.generations.at(-1) ?? 0,
    intent: receipt.intent,
    outcome: receipt.outcome,
    healthy: isHealthy(state),
    state: JSON.stringify(state),
    bundles: receipt.releases.map(({ bundle }) => bundle),
  };
}
