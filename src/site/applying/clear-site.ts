import { rename } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { StowageError } from '../../core/error.ts';
import type { Override } from '../../format/override.ts';
import { exists, ioError, remove, writeAtomic } from '../../io/file.ts';
import {
  currentGeneration,
  emptyGeneration,
  generationNumbers,
  loadGeneration,
} from '../generations.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { propose } from '../planning/propose.ts';
import { type SignedReceipt, signReceipt } from '../receipts/receipt.ts';
import { factsOnceDeleted } from '../receipts/site-facts.ts';
import type { SiteContext, SiteFolder } from '../site-folder.ts';
import { executePlan, withSite } from './change.ts';
import { forgetGenerations } from './remove-stored.ts';

export interface ClearOptions extends SiteContext {
  /** Where to write the last receipt, which says that the site stores nothing; its signature goes next to it as `.p7s`. */
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
    const overrides: Override[] = [];
    // The newest first: it may require earlier ones.
    for (const name of running.toReversed()) {
      const request = { intent: 'uninstall', subject: name } as const;
      const plan = await propose(request, stateOf(ledger.entries), options.now(), options);
      const changed = await executePlan(plan, ledger, options);
      for (const each of changed.receipt?.overrides ?? [])
        if (!overrides.some((known) => isDeepStrictEqual(known, each))) overrides.push(each);
    }
    const kept = [];
    for (const number of await generationNumbers(site))
      kept.push(await loadGeneration(site, number));
    await forgetGenerations(kept, [emptyGeneration], options);
    // Not in the folder of the site: it is true only once that is deleted.
    await writeLast(await lastReceipt(overrides, ledger, options), receipt);
    return running;
  });
  try {
    await rename(site.root, leaving);
  } catch (error) {
    // The site still stores what this receipt says is deleted.
    for (const each of filesOf(receipt)) await remove(each).catch(() => {});
    throw ioError(error, site.root);
  }
  await remove(leaving);
  return names;
}

/** The receipt of a site whose folder is about to be deleted, with what is true after that. */
async function lastReceipt(
  overrides: readonly Override[],
  ledger: Ledger,
  options: ClearOptions,
): Promise<SignedReceipt> {
  const running = await currentGeneration(options.site);
  const about = { intent: 'uninstall', outcome: 'kept', gates: [], ledger: ledger.head } as const;
  const used = overrides.length === 0 ? {} : { overrides };
  const facts = await factsOnceDeleted(running, options);
  return signReceipt(options.site, { ...about, ...used, running, facts }, options.now());
}

/** The signature first: a receipt without one is of no use. */
async function writeLast({ bytes, signature }: SignedReceipt, to: string): Promise<void> {
  const [json, p7s] = filesOf(to);
  await writeAtomic(p7s, signature);
  await writeAtomic(json, bytes);
}

/** The files of a receipt and of its signature. */
function filesOf(receipt: string): readonly [string, string] {
  const stem = receipt.replace(/\.json$/, '');
  return [`${stem}.json`, `${stem}.p7s`];
}

/**
 * Checks that the last receipt of a site overwrites no file. Not where nothing is left to uninstall: then the
 * files are those that an interrupted {@link clearSite} wrote.
 * @throws StowageError `output-exists`
 */
export async function requireReceiptRoom(site: SiteFolder, receipt: string): Promise<void> {
  if ((await generationNumbers(site)).length === 0) return;
  for (const path of filesOf(receipt))
    if (await exists(path))
      throw new StowageError('output-exists', `${path} exists already`, {
        expected: 'a path where nothing exists',
        found: 'a file or folder',
        hint: 'choose another path for --receipt, or move the existing file away',
      });
}
