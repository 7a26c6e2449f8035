import { StowageError } from '../core/error.ts';
import { type Changed, type ChangeOptions, carryPlan, withSite } from './change.ts';
import { currentGeneration, generationNumbers, loadGeneration } from './generations.ts';
import { makePlan } from './plan.ts';
import { requireNoneRecalled } from './recall.ts';
import { stateOf } from './site-state.ts';

/**
 * Returns to an earlier generation, gated like an install.
 * @param number which; the one before the current when undefined
 * @throws StowageError `generation-unknown`, and all that carrying out a plan throws
 */
export async function rollback(
  number: number | undefined,
  options: ChangeOptions,
): Promise<Changed> {
  const { site, target } = options;
  return withSite(options, async (ledger) => {
    await target.probe(options.signal);
    const from = await currentGeneration(site);
    const earlier = (await generationNumbers(site)).filter((each) => each < from.number);
    const wanted = number ?? earlier.at(-1);
    if (wanted === undefined) throw nothingEarlier(from.number);
    const to = await loadGeneration(site, wanted);
    requireNoneRecalled(to, stateOf(ledger.entries).recalls);
    const { name } = await site.site();
    return carryPlan(
      makePlan({ intent: 'rollback', site: name, from, to, constraints: [] }),
      ledger,
      options,
    );
  });
}

function nothingEarlier(current: number): StowageError {
  return new StowageError('generation-unknown', 'there is no earlier generation to return to', {
    expected: 'a generation before the current one',
    found:
      current === 0
        ? 'a site on which nothing was installed'
        : `generation ${current} is the first`,
    hint: 'to remove a release use stowage uninstall',
  });
}
