import { StowageError } from '../core/error.ts';
import { momentOf } from '../format/field.ts';
import type { Generation } from '../format/generation.ts';
import { type Changed, type ChangeOptions, carryPlan, nextNumber, withSite } from './change.ts';
import { currentGeneration } from './generations.ts';
import { makePlan } from './plan.ts';

/**
 * Takes a release off the site: its services, images and laid-out files. Its blobs stay in the store, so that a
 * rollback can bring it back.
 * @throws StowageError `release-unknown`, and all that carrying out a plan throws
 */
export async function uninstall(name: string, options: ChangeOptions): Promise<Changed> {
  const { site, target } = options;
  return withSite(options, async (ledger) => {
    await target.probe(options.signal);
    const from = await currentGeneration(site);
    if (!from.releases.some((each) => each.name === name)) {
      throw new StowageError('release-unknown', `release ${name} does not run at this site`, {
        expected:
          from.releases.map((each) => each.name).join(', ') || 'no release: nothing is installed',
        found: name,
        hint: 'stowage status names what runs',
      });
    }
    const to: Generation = {
      schema: 'stowage/generation/v1',
      number: await nextNumber(site),
      appliedAt: momentOf(options.now()),
      releases: from.releases.filter((each) => each.name !== name),
    };
    const settings = await site.site();
    return carryPlan(
      makePlan({ intent: 'uninstall', site: settings.name, from, to, constraints: [] }),
      ledger,
      options,
    );
  });
}
