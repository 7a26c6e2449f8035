import { requireTrust } from '../../bundle/admission/trust-files.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { approvalsIn } from '../notices.ts';
import { requireApproved, type WrittenPlan } from '../planning/plan-approval.ts';
import { requireFreshPlan } from '../planning/plan-identity.ts';
import { propose } from '../planning/propose.ts';
import type { SiteContext } from '../site-context.ts';
import { type Changed, executePlan, withSite } from './change.ts';

/**
 * Executes a written plan, if it is still current and, where the site requires it, approved. Signatures next to the plan
 * and those that came in notices must be valid in any case.
 * @throws StowageError `plan-stale`, `plan-unapproved`, and those of {@link executePlan}
 */
export async function applyPlan(written: WrittenPlan, options: SiteContext): Promise<Changed> {
  const { site, now } = options;
  return withSite(options, async (ledger) => {
    const { plan } = written;
    const digest = sriHex(sriOf(written.bytes));
    const carried = await approvalsIn(site, ledger.entries, digest);
    const approvals = [...written.approvals, ...carried];
    const { requirePlanApproval } = await site.site();
    const approvedBy =
      requirePlanApproval || approvals.length > 0
        ? requireApproved({ ...written, approvals }, requireTrust(await site.trust()), now())
        : [];
    const { intent, subject } = plan;
    const fresh = await propose({ intent, subject }, stateOf(ledger.entries), now(), options);
    requireFreshPlan(plan, fresh, appliedAt(digest, ledger));
    return executePlan(fresh, ledger, options, { plan: digest, approvedBy });
  });
}

/** When a plan was applied last. */
function appliedAt(digest: string, { entries }: Ledger): string | undefined {
  return entries.findLast(
    ({ event }) => event.kind === 'command' && event.plan === digest && event.outcome === 'kept',
  )?.at;
}
