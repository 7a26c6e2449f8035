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
  /** Absent when the plan had nothing to do. */
  readonly receipt?: Receipt;
}

/**
 * Runs a command that changes a site: alone, after what a killed one left was finished or undone.
 * @param work given the site's ledger as it now is
 * @throws StowageError `site-locked`, `format-newer`, `state-damaged`, and what `work` throws
 */
export async function withSite<T>(
  options: SiteContext,
  work: (ledger: Ledger) => Promise<T>,
): Promise<T> {
  const { site } = options;
  // Before the first file is made, and again when nobody else can change it.
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
 * Checks a plan's constraints, carries it out, and writes ledger and receipt, also of a rollback.
 * @param approval what a person read and signed; a site that asks for approval carries no plan out without
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

/** Writes what can be written of a failure; that failure matters more to a person than one of writing. */
async function recordFailure(
  failure: unknown,
  outcome: Concluded,
  ledger: Ledger,
  options: SiteContext,
): Promise<void> {
  const { plan } = outcome;
  try {
    if (failure instanceof StowageError && failure.code === 'rollback-failed') {
      await appendCommand(outcome, plan.intent, 'failed', failure.message, ledger, options);
    } else {
      await recordOutcome(outcome, plan.intent, ledger, options);
      await closeApply(options.site);
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    options.emit({ type: 'warning', message: `no receipt could be written: ${message}` });
  }
}

/** Under what a person let a plan be carried out. */
export interface Approval {
  /** SHA-512 of the plan's bytes, 128 hex digits. */
  readonly plan: string;
  /** Who signed it: the subjects of their certificates. */
  readonly approvedBy: readonly string[];
}

interface Concluded {
  readonly plan: Plan;
  readonly outcome: Receipt['outcome'];
  readonly gates: readonly GateResult[];
  readonly approval?: Approval | undefined;
}

type Command = Extract<LedgerEvent, { kind: 'command' }>;

async function recordOutcome(
  outcome: Concluded,
  command: Command['command'],
  ledger: Ledger,
  options: SiteContext,
): Promise<Receipt> {
  const { plan, gates } = outcome;
  const overrides = overridesUsed(plan);
  const detail = overrides.map(({ rule, by, until }) => `${rule} let pass by ${by} until ${until}`);
  await appendCommand(outcome, command, outcome.outcome, detail.join('; '), ledger, options);
  if (outcome.outcome === 'kept' && plan.intent === 'install') await offer(plan.subject, options);
  const running = outcome.outcome === 'kept' ? plan.to : plan.from;
  const facts = await siteFacts(running, options);
  const said = {
    ...{ intent: plan.intent, outcome: outcome.outcome, gates, ledger: ledger.head },
    ...(overrides.length === 0 ? {} : { overrides }),
  };
  return writeReceipt(options.site, { ...said, running, facts }, options.now());
}

/** The release stands whether or not its installer could be offered: a failure is told and stops nothing. */
async function offer(id: string, { site, emit }: SiteContext): Promise<void> {
  try {
    await offerInstaller(site, await loadRelease(site, id), hostPlatform());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    emit({ type: 'warning', message: `bin/stowage stays as it was: ${message}` });
  }
}

async function appendCommand(
  { plan, approval }: Concluded,
  command: Command['command'],
  outcome: Command['outcome'],
  detail: string,
  ledger: Ledger,
  { now }: SiteContext,
): Promise<void> {
  const { plan: digest, approvedBy = [] } = approval ?? {};
  const generation = outcome === 'kept' ? plan.to.number : plan.from.number;
  const event: Command = {
    kind: 'command',
    ...{ command, outcome, generation, detail: oneLine(detail, 1000) },
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
