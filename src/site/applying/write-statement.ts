import type { Receipt } from '../../format/receipt.ts';
import { currentGeneration } from '../generations.ts';
import { writeReceipt } from '../receipts/receipt.ts';
import { siteFacts } from '../receipts/site-facts.ts';
import type { SiteContext } from '../site-context.ts';
import { withSite } from './change.ts';

/** Writes a receipt of the current state of a site on request, without a change. */
export async function writeStatement(options: SiteContext): Promise<Receipt> {
  const { site } = options;
  return withSite(options, async (ledger) => {
    const running = await currentGeneration(site);
    const about = { intent: 'statement', outcome: 'kept', gates: [], ledger: ledger.head } as const;
    const facts = await siteFacts(running, options);
    return writeReceipt(site, { ...about, running, facts }, options.now());
  });
}
