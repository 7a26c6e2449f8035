import { stateOf } from '../ledger/site-state.ts';
import { propose } from '../planning/propose.ts';
import type { SiteContext } from '../site-context.ts';
import { type Changed, executePlan, withSite } from './change.ts';

/**
 * Takes a release off the site: its services, images and laid-out files. Its blobs stay in the store, so that a
 * rollback can bring it back.
 * @throws StowageError `release-unknown`, and all that carrying out a plan throws
 */
export async function uninstall(name: string, options: SiteContext): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const wish = { intent: 'uninstall', subject: name } as const;
    const plan = await propose(wish, stateOf(ledger.entries), options.now(), options);
    return executePlan(plan, ledger, options);
  });
}
