import { stateOf } from '../ledger/site-state.ts';
import { propose } from '../planning/propose.ts';
import type { SiteContext } from '../site-context.ts';
import { type Changed, executePlan, withSite } from './change.ts';

/**
 * Removes the services, images and placed files of a release. Its blobs stay in the store, so a rollback can restore it.
 * @throws StowageError `release-unknown`, and those of {@link executePlan}
 */
export async function uninstall(name: string, options: SiteContext): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const request = { intent: 'uninstall', subject: name } as const;
    const plan = await propose(request, stateOf(ledger.entries), options.now(), options);
    return executePlan(plan, ledger, options);
  });
}
