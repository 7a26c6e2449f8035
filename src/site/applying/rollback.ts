import { StowageError } from '../../core/error.ts';
import { currentGeneration, generationNumbers } from '../generations.ts';
import { stateOf } from '../ledger/site-state.ts';
import { propose } from '../planning/propose.ts';
import type { SiteContext } from '../site-context.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type Changed, executePlan, withSite } from './change.ts';

/**
 * Returns to an earlier generation, gated like an install.
 * @param number by default, the one before the current generation
 * @throws StowageError `generation-unknown`, and those of {@link executePlan}
 */
export async function rollback(number: number | undefined, options: SiteContext): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const subject = String(number ?? (await generationBefore(options.site)));
    const request = { intent: 'rollback', subject } as const;
    const plan = await propose(request, stateOf(ledger.entries), options.now(), options);
    return executePlan(plan, ledger, options);
  });
}

/** The kept generation before the current one. @throws StowageError `generation-unknown` when there is none */
export async function generationBefore(site: SiteFolder): Promise<number> {
  const { number: current } = await currentGeneration(site);
  const earlier = (await generationNumbers(site)).filter((each) => each < current).at(-1);
  if (earlier !== undefined) return earlier;
  throw new StowageError('generation-unknown', 'there is no earlier generation to return to', {
    expected: 'a generation before the current one',
    found: current === 0 ? 'nothing has been installed' : `generation ${current} is the first`,
    hint: 'to remove a release, run stowage uninstall',
  });
}
