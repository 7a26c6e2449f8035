import { StowageError } from '../../core/error.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import { currentGeneration, earlierGenerations, generationNumbers } from '../generations.ts';
import { stateOf } from '../ledger/site-state.ts';
import { propose } from '../planning/propose.ts';
import type { SiteContext } from '../site-context.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type Changed, executePlan, withSite } from './change.ts';

/**
 * Returns to an earlier generation, gated like an install.
 * @param number by default, the generation that ran when the current one was installed
 * @throws StowageError `generation-unknown`, and those of {@link executePlan}
 */
export async function rollback(number: number | undefined, options: SiteContext): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const subject = String(number ?? (await generationBefore(options.site, ledger.entries)));
    const request = { intent: 'rollback', subject } as const;
    const plan = await propose(request, stateOf(ledger.entries), options.now(), options);
    return executePlan(plan, ledger, options);
  });
}

/** The first of {@link earlierGenerations}. @throws StowageError `generation-unknown` when there is none */
export async function generationBefore(
  site: SiteFolder,
  entries: readonly LedgerEntry[],
): Promise<number> {
  const { number: current } = await currentGeneration(site);
  const [earlier] = earlierGenerations(current, await generationNumbers(site), entries);
  if (earlier !== undefined) return earlier;
  throw new StowageError('generation-unknown', 'there is no earlier generation to return to', {
    expected: 'a generation before the current one',
    found: current === 0 ? 'nothing has been installed' : `generation ${current} is the first`,
    hint: 'to remove a release, run stowage uninstall',
  });
}
