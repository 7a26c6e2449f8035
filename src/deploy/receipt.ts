import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import { writeCanonical } from '../format/document.ts';
import { momentOf } from '../format/field.ts';
import type { Generation } from '../format/generation.ts';
import type { LedgerHead } from '../format/ledger.ts';
import type { Plan } from '../format/plan.ts';
import { type GateResult, type Receipt, receiptKind } from '../format/receipt.ts';
import { writeAtomic } from '../io/file.ts';
import { signDetached } from '../trust/cms-sign.ts';
import type { SiteFolder } from './site-folder.ts';
import { siteSigner } from './site-key.ts';

/** What became of a plan. */
export interface Outcome {
  readonly plan: Plan;
  readonly outcome: Receipt['outcome'];
  readonly gates: readonly GateResult[];
  /** The end of the ledger, in which this change stands already. */
  readonly ledger: LedgerHead;
}

/** Writes and signs the receipt of a change: `receipts/<moment>-<intent>.json` and `.p7s` beside it. */
export async function writeReceipt(
  site: SiteFolder,
  { plan, outcome, gates, ledger }: Outcome,
  now: Date,
): Promise<Receipt> {
  const running: Generation = outcome === 'kept' ? plan.to : plan.from;
  const receipt: Receipt = {
    schema: 'stowage/receipt/v1',
    site: plan.site,
    at: momentOf(now),
    tool: `${PRODUCT} ${PRODUCT_VERSION}`,
    intent: plan.intent,
    outcome,
    generation: running.number,
    releases: running.releases.map(({ name, version, seq, bundle }) => ({
      name,
      version,
      seq,
      bundle,
    })),
    gates,
    ledger,
  };
  const bytes = writeCanonical(receiptKind, receipt);
  const signature = signDetached(bytes, await siteSigner(site, plan.site, now), now);
  const stem = site.path(
    'receipts',
    `${receipt.at.replaceAll(':', '')}-${String(now.getMilliseconds()).padStart(3, '0')}-${plan.intent}`,
  );
  await writeAtomic(`${stem}.json`, bytes);
  await writeAtomic(`${stem}.p7s`, signature);
  return receipt;
}
