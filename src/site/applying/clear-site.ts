import { rename } from 'node:fs/promises';
import { receiptKind } from '../../format/receipt.ts';
import { ioError, readBounded, remove, writeAtomic } from '../../io/file.ts';
import {
  currentGeneration,
  emptyGeneration,
  generationNumbers,
  loadGeneration,
} from '../generations.ts';
import { stateOf } from '../ledger/site-state.ts';
import { propose } from '../planning/propose.ts';
import { newestReceipt } from '../receipts/receipt.ts';
import type { SiteContext } from '../site-context.ts';
import { executePlan, withSite } from './change.ts';
import { forgetGenerations } from './collect.ts';

export interface ClearOptions extends SiteContext {
  /** Where the last receipt goes, and its signature beside it as `.p7s`. */
  readonly receipt: string;
}

/**
 * Takes every release off the site, then all that its engine holds for earlier generations, then the site's own
 * folder: store, ledger, keys and trust document. Afterwards the host is as it was before the first install, but
 * for the receipt. Killed at any point, the next call ends it.
 * @returns the names of the releases that were taken off
 */
export async function clearSite(options: ClearOptions): Promise<string[]> {
  const { site, receipt } = options;
  const leaving = `${site.root}.leaving`;
  await remove(leaving);
  const names = await withSite(options, async (ledger) => {
    const running = (await currentGeneration(site)).releases.map((each) => each.name);
    // The newest first: what came later may require what was there before.
    for (const name of running.toReversed()) {
      const wish = { intent: 'uninstall', subject: name } as const;
      const plan = await propose(wish, stateOf(ledger.entries), options.now(), options);
      await executePlan(plan, ledger, options);
    }
    const kept = [];
    for (const number of await generationNumbers(site))
      kept.push(await loadGeneration(site, number));
    await forgetGenerations(kept, [emptyGeneration], options);
    if (running.length > 0 || kept.length > 0)
      await copyReceipt(await newestReceipt(site), receipt);
    return running;
  });
  try {
    await rename(site.root, leaving);
  } catch (error) {
    throw ioError(error, site.root);
  }
  await remove(leaving);
  return names;
}

async function copyReceipt(file: string, to: string): Promise<void> {
  for (const ending of ['.json', '.p7s']) {
    const bytes = await readBounded(file.replace(/\.json$/, ending), receiptKind.maxBytes);
    await writeAtomic(to.replace(/(?:\.json)?$/, ending), bytes);
  }
}
