import { requireTrust } from '../../bundle/admission/trust-files.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import { currentGeneration, earlierGenerations, generationNumbers } from '../generations.ts';
import { findImported } from '../importing/find-imported.ts';
import { type ImportOptions, importBundle, type Places } from '../importing/import.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { approvalsIn } from '../notices.ts';
import { returnsOf } from '../planning/constraints/upgrade-path.ts';
import { requireApproved, type WrittenPlan } from '../planning/plan-approval.ts';
import { requireFreshPlan } from '../planning/plan-identity.ts';
import { propose } from '../planning/propose.ts';
import type { SiteContext, SiteFolder } from '../site-folder.ts';
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

/**
 * Installs an imported release.
 * @param name as in {@link findImported}
 */
export async function installImported(name: string, options: SiteContext): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const { id } = await findImported(name, ledger.entries, options);
    return installStaged(id, ledger, options);
  });
}

/**
 * Imports a bundle, plans the change to it, and executes the plan with its gates.
 * @param places as in {@link importBundle}
 */
export async function install(places: Places, options: ImportOptions): Promise<Changed> {
  const { target, signal } = options;
  return withSite(options, async (ledger) => {
    // Fails early on a host without an engine, before gigabytes are read.
    await target.probe(signal);
    const { id } = await importBundle(places, ledger, options);
    return installStaged(id, ledger, options);
  });
}

async function installStaged(id: string, ledger: Ledger, options: SiteContext): Promise<Changed> {
  const request = { intent: 'install', subject: id } as const;
  const plan = await propose(request, stateOf(ledger.entries), options.now(), options);
  for (const { name, from, to } of returnsOf(plan))
    options.emit({
      type: 'warning',
      message: `${name} returns from ${from} to ${to}`,
      hint: 'to return to an earlier generation with its values, use stowage rollback',
    });
  return executePlan(plan, ledger, options);
}

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
    found:
      current === 0
        ? 'nothing has been installed'
        : current === 1
          ? 'generation 1 is the first'
          : `generation ${current}; stowage gc or stowage forget removed the earlier ones`,
    hint: 'to remove a release, run stowage uninstall',
  });
}

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
