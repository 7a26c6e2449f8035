import { momentOf } from '../../format/field.ts';
import type { Receipt } from '../../format/receipt.ts';
import { currentGeneration } from '../generations.ts';
import { writeReceipt } from '../receipts/receipt.ts';
import { siteFacts } from '../receipts/site-facts.ts';
import type { SiteContext } from '../site-context.ts';
import { withSite } from './change.ts';

const DAY_MILLISECONDS = 86_400_000;

/**
 * Writes a receipt of the current state of a site on request, without a change.
 * @param holdDays for how many days `gc` keeps the bundles that it lists; absent for no promise
 */
export async function writeStatement(options: SiteContext, holdDays?: number): Promise<Receipt> {
  const { site } = options;
  return withSite(options, async (ledger) => {
    const running = await currentGeneration(site);
    const about = { intent: 'statement', outcome: 'kept', gates: [], ledger: ledger.head } as const;
    const now = options.now();
    const promise =
      holdDays === undefined
        ? {}
        : { heldUntil: momentOf(new Date(now.getTime() + holdDays * DAY_MILLISECONDS)) };
    const facts = await siteFacts(running, { ...options, ...promise });
    return writeReceipt(site, { ...about, running, facts }, now);
  });
}
