import { StowageError } from '../../core/error.ts';
import type { Emit } from '../../core/event.ts';
import { oneLine, printable } from '../../core/printable.ts';
import type { LedgerEvent } from '../../format/ledger.ts';
import type { Plan } from '../../format/plan.ts';
import type { GateResult, Receipt } from '../../format/receipt.ts';
import { withLock } from '../../io/lock-file.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { openLedger } from '../ledger/site-ledger.ts';
import { requireSatisfied } from '../planning/constraints/check-constraints.ts';
import { overridesUsed } from '../planning/constraints/override.ts';
import { unapproved } from '../planning/plan-approval.ts';
import { writeReceipt } from '../receipts/receipt.ts';
import { siteFacts } from '../receipts/site-facts.ts';
import { offerInstaller } from '../release/offer-installer.ts';
import { loadRelease } from '../release/release.ts';
import type { SiteContext } from '../site-context.ts';
import { requireKnownFormat, upgradeFormat } from '../site-format.ts';
import { apply, closeApply, recover } from './apply.ts';
import type { ApplyContext } from './run-operation.ts';

export interface Changed {
  readonly plan: Plan;
  /** Absent when the plan had no steps. */
  readonly receipt?: Receipt;
}

/**
 * Runs a command that changes a site under its lock, after finishing or undoing the plan of a killed command.
 * @param work receives the ledger of the site
 * @throws StowageError `site-locked`, `format-newer`, `state-damaged`, and what `work` throws
 */
export async function withSite<T>(
  options: SiteContext,
  work: (ledger: Ledger) => Promise<T>,
): Promise<T> {
  const { site } = options;
  // Before the first write, and again under the lock.
  await requireKnownFormat(site);
  await site.prepare();
  return withLock(site.path('lock'), async () => {
    await upgradeFormat(site);
    const ledger = await openLedger(site);
    const gates: GateResult[] = [];
    const recovery = await recover(applyContext(options, gates));
    if (recovery !== undefined) {
      const outcome = recovery.outcome === 'finished' ? 'kept' : 'rolled-back';
      await recordOutcome({ plan: recovery.plan, outcome, gates }, 'recover', ledger, options);
      await closeApply(site);
      warnOfRecovery(options.emit, recovery.plan, recovery.outcome);
    }
    return work(ledger);
  });
}

/**
 * Checks the constraints of a plan, executes it, and writes ledger and receipt, also after a rollback.
 * @param approval the approval of the plan; required at a site with `requirePlanApproval`
 * @throws StowageError `plan-unapproved`, `host-unfit`, `rolled-back`, `rollback-failed`, `interrupted`
 */
export async function executePlan(
  plan: Plan,
  ledger: Ledger,
  options: SiteContext,
  approval?: Approval,
): Promise<Changed> {
  const { site } = options;
  if (plan.steps.length === 0) return { plan };
  requireSatisfied(plan.constraints);
  if (approval === undefined && (await site.site()).requirePlanApproval) throw unapproved();
  const gates: GateResult[] = [];
  try {
    await apply(plan, applyContext(options, gates));
  } catch (error) {
    await recordFailure(error, { plan, outcome: 'rolled-back', gates, approval }, ledger, options);
    throw error;
  }
  const outcome = { plan, outcome: 'kept', gates, approval } as const;
  const receipt = await recordOutcome(outcome, plan.intent, ledger, options);
  await closeApply(site);
  return { plan, receipt };
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
    if (failure instanceof StowageError && failure.code === 'rollback-failed') {
      const record = { command: plan.intent, result: 'failed', detail: failure.message } as const;
      await appendCommand({ ...outcome, ...record }, ledger, options);
    } else {
      await recordOutcome(outcome, plan.intent, ledger, options);
      await closeApply(options.site);
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    options.emit({ type: 'warning', message: `cannot write a receipt: ${message}` });
  }
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
}

type Command = Extract<LedgerEvent, { kind: 'command' }>;

async function recordOutcome(
  outcome: Conclusion,
  command: Command['command'],
  ledger: Ledger,
  options: SiteContext,
): Promise<Receipt> {
  const { plan, gates } = outcome;
  const overrides = overridesUsed(plan);
  const details = overrides.map(
    ({ rule, by, until }) => `${rule} overridden by ${by} until ${until}`,
  );
  const record = { command, result: outcome.outcome, detail: details.join('; ') };
  await appendCommand({ ...outcome, ...record }, ledger, options);
  if (outcome.outcome === 'kept' && plan.intent === 'install') await offer(plan.subject, options);
  const running = outcome.outcome === 'kept' ? plan.to : plan.from;
  const facts = await siteFacts(running, options);
  const about = {
    ...{ intent: plan.intent, outcome: outcome.outcome, gates, ledger: ledger.head },
    ...(overrides.length === 0 ? {} : { overrides }),
  };
  return writeReceipt(options.site, { ...about, running, facts }, options.now());
}

/** A failure is only a warning: the release is installed all the same. */
async function offer(id: string, { site, emit }: SiteContext): Promise<void> {
  try {
    await offerInstaller(site, await loadRelease(site, id), hostPlatform());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    emit({ type: 'warning', message: `bin/stowage was not updated: ${message}` });
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
    ...(digest === undefined ? {} : { plan: digest }),
    ...(approvedBy.length === 0 ? {} : { approvedBy: approvedBy.map(printable) }),
  };
  await ledger.append(event, now());
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
