import { StowageError } from '../core/error.ts';
import type { Context, Emit } from '../core/event.ts';
import type { LedgerEvent } from '../format/ledger.ts';
import type { Plan } from '../format/plan.ts';
import type { GateResult, Receipt } from '../format/receipt.ts';
import { withLock } from '../io/lock-file.ts';
import type { Target } from '../target/target.ts';
import { apply, recover } from './apply.ts';
import { requireSatisfied } from './constraints/check-constraints.ts';
import { hostPlatform } from './host.ts';
import { offerInstaller } from './installers.ts';
import type { Ledger } from './ledger.ts';
import type { Workshop } from './operations.ts';
import { type Outcome, writeReceipt } from './receipt.ts';
import { loadRelease } from './release.ts';
import type { SiteFolder } from './site-folder.ts';
import { openLedger } from './site-ledger.ts';

/** Where and on what a change is made. */
export interface ChangeOptions extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface Changed {
  readonly plan: Plan;
  /** Absent when the plan had nothing to do. */
  readonly receipt?: Receipt;
}

/**
 * Runs a command that changes a site: alone, after what a killed one left was finished or undone.
 * @param work given the site's ledger as it now is
 * @throws StowageError `site-locked`, `state-damaged`, and what `work` throws
 */
export async function withSite<T>(
  options: ChangeOptions,
  work: (ledger: Ledger) => Promise<T>,
): Promise<T> {
  const { site } = options;
  await site.prepare();
  return withLock(site.path('lock'), async () => {
    const ledger = await openLedger(site);
    const gates: GateResult[] = [];
    const recovery = await recover(workshopOf(options, gates));
    if (recovery !== undefined) {
      const outcome = recovery.outcome === 'finished' ? 'kept' : 'rolled-back';
      await conclude({ plan: recovery.plan, outcome, gates }, 'recover', ledger, options);
      warnOfRecovery(options.emit, recovery.plan, recovery.outcome);
    }
    return work(ledger);
  });
}

/**
 * Checks a plan's constraints, carries it out, and writes ledger and receipt, also of a rollback.
 * @throws StowageError `host-unfit`, `rolled-back`, `rollback-failed`, `interrupted`
 */
export async function carryPlan(
  plan: Plan,
  ledger: Ledger,
  options: ChangeOptions,
): Promise<Changed> {
  requireSatisfied(plan.constraints);
  if (plan.steps.length === 0) return { plan };
  const gates: GateResult[] = [];
  try {
    await apply(plan, workshopOf(options, gates));
  } catch (error) {
    await recordFailure(error, { plan, outcome: 'rolled-back', gates }, ledger, options);
    throw error;
  }
  const receipt = await conclude({ plan, outcome: 'kept', gates }, plan.intent, ledger, options);
  return { plan, receipt };
}

/** Writes what can be written of a failure; that failure matters more to a person than one of writing. */
async function recordFailure(
  failure: unknown,
  outcome: Omit<Outcome, 'ledger'>,
  ledger: Ledger,
  options: ChangeOptions,
): Promise<void> {
  const { plan } = outcome;
  try {
    if (failure instanceof StowageError && failure.code === 'rollback-failed') {
      await note(plan, plan.intent, 'failed', failure.message, ledger, options);
    } else await conclude(outcome, plan.intent, ledger, options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    options.emit({ type: 'warning', message: `no receipt could be written: ${message}` });
  }
}

type Command = Extract<LedgerEvent, { kind: 'command' }>;

async function conclude(
  outcome: Omit<Outcome, 'ledger'>,
  command: Command['command'],
  ledger: Ledger,
  options: ChangeOptions,
): Promise<Receipt> {
  await note(outcome.plan, command, outcome.outcome, '', ledger, options);
  if (outcome.outcome === 'kept' && outcome.plan.intent === 'install')
    await offer(outcome.plan.subject, options);
  return writeReceipt(options.site, { ...outcome, ledger: ledger.head }, options.now());
}

/** The release stands whether or not its installer could be offered: a failure is told and stops nothing. */
async function offer(id: string, { site, emit }: ChangeOptions): Promise<void> {
  try {
    await offerInstaller(site, await loadRelease(site, id), hostPlatform());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    emit({ type: 'warning', message: `bin/stowage stays as it was: ${message}` });
  }
}

async function note(
  plan: Plan,
  command: Command['command'],
  outcome: Command['outcome'],
  detail: string,
  ledger: Ledger,
  { now }: ChangeOptions,
): Promise<void> {
  const generation = outcome === 'kept' ? plan.to.number : plan.from.number;
  const line = detail.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, ' ').slice(0, 1000);
  await ledger.append({ kind: 'command', command, outcome, generation, detail: line }, now());
}

function workshopOf(options: ChangeOptions, gates: GateResult[]): Workshop {
  return { ...options, keep: (result) => void gates.push(result) };
}

function warnOfRecovery(emit: Emit, plan: Plan, outcome: 'finished' | 'undone'): void {
  emit({
    type: 'warning',
    message: `an interrupted ${plan.intent} was ${outcome} before this command began`,
  });
}
