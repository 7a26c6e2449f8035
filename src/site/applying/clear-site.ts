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
import type { SiteContext } from '../site-folder.ts';
import { executePlan, withSite } from './change.ts';
import { forgetGenerations } from './remove-stored.ts';

export interface ClearOptions extends SiteContext {
  /** Where to copy the last receipt; its signature goes next to it as `.p7s`. */
  readonly receipt: string;
}

/**
 * Uninstalls every release, removes from the engine what earlier generations used, and removes the site's folder with
 * store, ledger, keys and trust document. Only the receipt stays on the host. After a kill, the next call continues.
 * @returns the names of the uninstalled releases
 */
export async function clearSite(options: ClearOptions): Promise<string[]> {
  const { site, receipt } = options;
  const leaving = `${site.root}.leaving`;
  await remove(leaving);
  const names = await withSite(options, async (ledger) => {
    const running = (await currentGeneration(site)).releases.map((each) => each.name);
    // The newest first: it may require earlier ones.
    for (const name of running.toReversed()) {
      const request = { intent: 'uninstall', subject: name } as const;
      const plan = await propose(request, stateOf(ledger.entries), options.now(), options);
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
