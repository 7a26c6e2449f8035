import { StowageError } from '../core/error.ts';
import type { Context, Emit } from '../core/event.ts';
import type { Plan } from '../format/plan.ts';
import type { GateResult, Receipt } from '../format/receipt.ts';
import { withLock } from '../io/lock-file.ts';
import type { Target } from '../target/target.ts';
import { apply, recover } from './apply.ts';
import { requireSatisfied } from './constraints.ts';
import { generationNumbers } from './generations.ts';
import type { Workshop } from './operations.ts';
import { writeReceipt } from './receipt.ts';
import type { SiteFolder } from './site-folder.ts';

/** Where and on what a change is made. */
export interface ChangeOptions extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
}

export interface Changed {
  readonly plan: Plan;
  /** Absent when the plan had nothing to do. */
  readonly receipt?: Receipt;
}

/**
 * Runs a command that changes a site: alone, after what a killed one left was finished or undone.
 * @param work given the site as it now is
 */
export async function withSite<T>(options: ChangeOptions, work: () => Promise<T>): Promise<T> {
  const { site } = options;
  await site.prepare();
  return withLock(site.path('lock'), async () => {
    const gates: GateResult[] = [];
    const recovery = await recover(workshopOf(options, gates));
    if (recovery !== undefined) {
      const outcome = recovery.outcome === 'finished' ? 'kept' : 'rolled-back';
      await writeReceipt(site, { plan: recovery.plan, outcome, gates }, options.now());
      warnOfRecovery(options.emit, recovery.plan, recovery.outcome);
    }
    return work();
  });
}

/**
 * Checks a plan's constraints, carries it out and writes the receipt, also of a rollback.
 * @throws StowageError `host-unfit`, `rolled-back`, `rollback-failed`, `interrupted`
 */
export async function carryPlan(plan: Plan, options: ChangeOptions): Promise<Changed> {
  requireSatisfied(plan.constraints);
  if (plan.steps.length === 0) return { plan };
  const gates: GateResult[] = [];
  try {
    await apply(plan, workshopOf(options, gates));
  } catch (error) {
    if (error instanceof StowageError && error.code !== 'rollback-failed') {
      await writeReceipt(options.site, { plan, outcome: 'rolled-back', gates }, options.now());
    }
    throw error;
  }
  return {
    plan,
    receipt: await writeReceipt(options.site, { plan, outcome: 'kept', gates }, options.now()),
  };
}

/** The number of a generation that was never used. */
export async function nextNumber(site: SiteFolder): Promise<number> {
  return ((await generationNumbers(site)).at(-1) ?? 0) + 1;
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
