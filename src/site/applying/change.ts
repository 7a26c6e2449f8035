import type { Emit } from '../../core/context.ts';
import { messageOf, StowageError } from '../../core/error.ts';
import { oneLine, printable } from '../../core/text.ts';
import type { LedgerEvent } from '../../format/ledger.ts';
import type { Plan } from '../../format/plan.ts';
import type { GateResult, Receipt } from '../../format/receipt.ts';
import type { StoppedService } from '../../format/site-state.ts';
import { makeFolder, removeEmpty } from '../../io/folder.ts';
import { withLock } from '../../io/lock-file.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { removeRedundantStagings } from '../importing/redundant-staging.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { openLedger } from '../ledger/site-ledger.ts';
import { settleNotices } from '../notices.ts';
import { requireSatisfied } from '../planning/constraints/check-constraints.ts';
import { overridesUsed } from '../planning/constraints/override.ts';
import { unapproved } from '../planning/plan-approval.ts';
import { requireProtected } from '../protection.ts';
import { writeReceipt } from '../receipts/receipt.ts';
import { siteFacts } from '../receipts/site-facts.ts';
import { siteSigner } from '../receipts/site-key.ts';
import { requireIntact } from '../release/intact.ts';
import { offerInstaller } from '../release/layout.ts';
import { loadRelease, type Release } from '../release/release.ts';
import type { SiteContext } from '../site-folder.ts';
import { requireKnownFormat, upgradeFormat } from '../site-format.ts';
import { forgetStopped, stoppedServices } from '../stopped.ts';
import { knownDamage } from '../store-damage.ts';
import { apply, closeApply, recover } from './apply.ts';
import { clearLeftBehind } from './remove-stored.ts';
import type { ApplyContext } from './run-operation.ts';

export interface Changed {
  readonly plan: Plan;
  /** The services that were not started, because a person stopped them. */
  readonly stopped: readonly StoppedService[];
  /** Absent when the plan had no steps. */
  readonly receipt?: Receipt;
}

/**
 * Runs a command that changes a site under its lock, after finishing or undoing the plan of a killed command. A command
 * that fails before a new site recorded anything leaves no site behind.
 * @param work receives the ledger of the site
 * @throws StowageError `site-absent`, `site-exposed`, `site-locked`, `format-newer`, `state-damaged`, and what `work` throws
 */
export async function withSite<T>(
  options: SiteContext,
  work: (ledger: Ledger) => Promise<T>,
): Promise<T> {
  const { site } = options;
  // Before the first write, and again under the lock.
  await site.requireOwn();
  await requireProtected(site);
  await requireKnownFormat(site);
  const made = await makeFolder(site.root);
  try {
    return await withLock(site.path('lock'), () => underLock(options, work));
  } finally {
    if (made !== undefined) await removeEmpty(site.root, made);
  }
}

async function underLock<T>(
  options: SiteContext,
  work: (ledger: Ledger) => Promise<T>,
): Promise<T> {
  const { site } = options;
  const isNew = await site.isNew();
  try {
    await site.removeLeftovers();
    await site.prepare();
    await upgradeFormat(site);
    await siteSigner(site, (await site.site()).name, options.now());
    const ledger = await openLedger(site, options.user);
    await settleNotices(site, ledger.entries);
    await recoverPlan(ledger, options);
    await removeRedundantStagings(site, ledger.entries);
    try {
      return await work(ledger);
    } finally {
      // The next command does it otherwise, and a failure of the work is the one to report.
      await removeRedundantStagings(site, ledger.entries).catch(() => {});
    }
  } finally {
    if (isNew && (await site.isBlank())) await site.removeBlank();
  }
}

/** Finishes or undoes the plan of a killed command. */
async function recoverPlan(ledger: Ledger, options: SiteContext): Promise<void> {
  const gates: GateResult[] = [];
  const recovery = await recover(applyContext(options, gates));
  if (recovery === undefined) return;
  const { plan } = recovery;
  const outcome = recovery.outcome === 'finished' ? 'kept' : 'rolled-back';
  const { failure } = await closePlan({ plan, outcome, gates }, 'recover', ledger, options);
  warnOfRecovery(options.emit, plan, recovery.outcome);
  if (failure !== undefined) warnOfReceipt(options.emit, failure);
}

/**
 * Checks the constraints of a plan, executes it, and writes ledger and receipt, also after a rollback.
 * @param approval the approval of the plan; required at a site with `requirePlanApproval`
 * @throws StowageError `plan-unapproved`, `host-unfit`, `blob-damaged`, `rolled-back`, `rollback-failed`, `interrupted`
 */
export async function executePlan(
  plan: Plan,
  ledger: Ledger,
  options: SiteContext,
  approval?: Approval,
): Promise<Changed> {
  const { site } = options;
  if (plan.steps.length === 0) {
    await requireIntactCurrent(plan, options);
    return { plan, stopped: await stoppedServices(site, plan.to) };
  }
  requireSatisfied(plan.constraints);
  if (approval === undefined && (await site.site()).requirePlanApproval) throw unapproved(plan);
  await requireIntactContent(plan, options);
  const gates: GateResult[] = [];
  try {
    await apply(plan, applyContext(options, gates));
  } catch (error) {
    await recordFailure(error, { plan, outcome: 'rolled-back', gates, approval }, ledger, options);
    throw error;
  }
  const outcome = { plan, outcome: 'kept', gates, approval } as const;
  const { receipt, failure } = await closePlan(outcome, plan.intent, ledger, options);
  if (receipt === undefined) throw receiptUnwritten(plan, failure);
  return { plan, receipt, stopped: await stoppedServices(site, plan.to) };
}

/** Before anything is changed: what the plan loads, and places before a service starts, must be what was signed. */
async function requireIntactContent(plan: Plan, options: SiteContext): Promise<void> {
  const { site } = options;
  const touched = new Set(
    plan.steps.flatMap(({ do: { side, release } }) => (side === 'to' ? [release] : [])),
  );
  const releases: Release[] = [];
  for (const { name, bundle } of plan.to.releases)
    if (touched.has(name)) releases.push(await loadRelease(site, bundle));
  await requireIntact(site, releases, options);
}

/** A plan without steps loads nothing: files are hashed only if that was asked for, or damage is known. */
async function requireIntactCurrent(plan: Plan, options: SiteContext): Promise<void> {
  const { intent, subject, to } = plan;
  const { site, rehash = false } = options;
  if (!rehash && (await knownDamage(site)) === undefined) return;
  const meant = to.releases.filter(({ bundle }) => intent !== 'install' || bundle === subject);
  const releases = await Promise.all(meant.map(({ bundle }) => loadRelease(site, bundle)));
  await requireIntact(site, releases, options);
}

/** Records a failure. If recording fails, the original error is still the one to report. */
async function recordFailure(
  failure: unknown,
  outcome: Conclusion,
  ledger: Ledger,
  options: SiteContext,
): Promise<void> {
  const { plan } = outcome;
  try {
    if (failure instanceof StowageError && isOpen(failure)) {
      const record = { command: plan.intent, result: 'failed', detail: failure.message } as const;
      await appendCommand({ ...outcome, ...record }, ledger, options);
    } else {
      const reason = reasonOf(failure);
      const closed = await closePlan({ ...outcome, reason }, plan.intent, ledger, options);
      if (closed.failure !== undefined) warnOfReceipt(options.emit, closed.failure);
    }
  } catch (error) {
    options.emit({ type: 'warning', message: `cannot record the failure: ${messageOf(error)}` });
  }
}

/** Whether the plan stays open for the next command. */
function isOpen({ code }: StowageError): boolean {
  return code === 'rollback-failed' || code === 'apply-unfinished';
}

/** The first cause of a rollback, with what was found. */
function reasonOf(failure: unknown): string {
  const cause =
    failure instanceof Error && failure.cause instanceof StowageError ? failure.cause : failure;
  if (!(cause instanceof StowageError)) return messageOf(cause);
  return [cause.message, cause.found ?? ''].filter((each) => each !== '').join(': ');
}

/** The approval of a plan. */
export interface Approval {
  /** SHA-512 of the plan's bytes, 128 hex digits. */
  readonly plan: string;
  /** The subjects of the signers' certificates. */
  readonly approvedBy: readonly string[];
}

interface Conclusion {
  readonly plan: Plan;
  readonly outcome: Receipt['outcome'];
  readonly gates: readonly GateResult[];
  readonly approval?: Approval | undefined;
  /** Why it was rolled back. */
  readonly reason?: string;
}

type Command = Extract<LedgerEvent, { kind: 'command' }>;

/** The receipt of a plan, or why it could not be written. */
type Closed =
  | { readonly receipt: Receipt; readonly failure?: undefined }
  | { readonly receipt?: undefined; readonly failure: unknown };

/**
 * Records the outcome of a plan in the ledger and in a receipt, and closes the plan. The plan is closed without a receipt
 * too: a site that cannot write one now must not repeat the attempt before each later command.
 */
async function closePlan(
  outcome: Conclusion,
  command: Command['command'],
  ledger: Ledger,
  options: SiteContext,
): Promise<Closed> {
  const { plan } = outcome;
  const overrides = overridesUsed(plan);
  const details = overrides.map(
    ({ rule, by, until }) => `${rule} overridden by ${by} until ${until}`,
  );
  if (outcome.reason !== undefined) details.push(outcome.reason);
  const record = { command, result: outcome.outcome, detail: details.join('; ') };
  await appendCommand({ ...outcome, ...record }, ledger, options);
  if (outcome.outcome === 'kept' && plan.intent === 'install') await offer(plan.subject, options);
  await clearLeftBehind(plan, outcome.outcome, options);
  const closed = await writeOutcome(outcome, ledger, options).then(
    (receipt): Closed => ({ receipt }),
    (failure: unknown): Closed => ({ failure }),
  );
  await closeApply(options.site);
  return closed;
}

async function writeOutcome(
  { plan, outcome, gates }: Conclusion,
  ledger: Ledger,
  options: SiteContext,
): Promise<Receipt> {
  const overrides = overridesUsed(plan);
  const running = outcome === 'kept' ? plan.to : plan.from;
  await forgetStopped(running, options);
  const facts = await siteFacts(running, options);
  const about = {
    ...{ intent: plan.intent, outcome, gates, ledger: ledger.head },
    ...(overrides.length === 0 ? {} : { overrides }),
  };
  return writeReceipt(options.site, { ...about, running, facts }, options.now());
}

function receiptUnwritten({ intent, to }: Plan, failure: unknown): StowageError {
  const cause = failure instanceof StowageError ? failure : undefined;
  const first = cause?.hint === undefined ? 'fix the problem in this message' : cause.hint;
  return new StowageError(
    'receipt-unwritten',
    `the ${intent} is complete and generation ${to.number} is current, but its receipt was not written: ${messageOf(failure)}`,
    {
      ...(cause?.expected === undefined ? {} : { expected: cause.expected }),
      ...(cause?.found === undefined ? {} : { found: cause.found }),
      hint: `${first}; then run stowage receipt write`,
      cause: failure,
    },
  );
}

function warnOfReceipt(emit: Emit, failure: unknown): void {
  emit({
    type: 'warning',
    message: `the receipt was not written: ${messageOf(failure)}`,
    hint: 'fix the problem in this message, then run stowage receipt write',
  });
}

/** A failure is only a warning: the release is installed all the same. */
async function offer(id: string, { site, emit }: SiteContext): Promise<void> {
  try {
    await offerInstaller(site, await loadRelease(site, id), hostPlatform());
  } catch (error) {
    emit({ type: 'warning', message: `bin/stowage was not updated: ${messageOf(error)}` });
  }
}

interface CommandRecord extends Conclusion {
  readonly command: Command['command'];
  readonly result: Command['outcome'];
  readonly detail: string;
}

async function appendCommand(
  { plan, approval, command, result, detail }: CommandRecord,
  ledger: Ledger,
  { now }: SiteContext,
): Promise<void> {
  const { plan: digest, approvedBy = [] } = approval ?? {};
  const generation = result === 'kept' ? plan.to.number : plan.from.number;
  const event: Command = {
    kind: 'command',
    ...{ command, outcome: result, generation, detail: oneLine(detail, 1000) },
    ...releaseOf(plan),
    ...(digest === undefined ? {} : { plan: digest }),
    ...(approvedBy.length === 0 ? {} : { approvedBy: approvedBy.map(printable) }),
  };
  await ledger.append(event, now());
}

/** The release that a plan installs or uninstalls. */
function releaseOf({ intent, subject, from, to }: Plan): Pick<Command, 'release'> {
  const release =
    intent === 'install'
      ? to.releases.find((each) => each.bundle === subject)
      : from.releases.find((each) => each.name === subject);
  if (release === undefined) return {};
  const { name, version, bundle } = release;
  return { release: { name, version, bundle } };
}

function applyContext(options: SiteContext, gates: GateResult[]): ApplyContext {
  return { ...options, keep: (result) => void gates.push(result) };
}

function warnOfRecovery(emit: Emit, plan: Plan, outcome: 'finished' | 'undone'): void {
  emit({
    type: 'warning',
    message: `an interrupted ${plan.intent} was ${outcome} before this command began`,
  });
}
