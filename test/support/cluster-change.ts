import { type Generation, type Operation, type Plan, siteActions } from '../../src/format/plan.ts';
import { makePlan } from '../../src/site/planning/plan.ts';
import type { Change } from '../../src/target/change.ts';
import type { Target } from '../../src/target/target.ts';

/** How a change of a cluster ended. */
export interface ChangedCluster {
  readonly plan: Plan;
  /** Why it was undone; undefined if it was kept. */
  readonly failure?: unknown;
  /** What a person is warned of. */
  readonly warnings: readonly string[];
}

/**
 * Runs the steps of a target from one generation to another, and undoes them in reverse when one fails. The site's own steps,
 * such as placing files, are left out.
 */
export async function changeCluster(
  target: Target,
  change: Pick<Change, 'from' | 'to'> & Partial<Change>,
  signal: AbortSignal = new AbortController().signal,
): Promise<ChangedCluster> {
  const plan = planOf(target, change);
  const steps = plan.steps.filter(({ do: { action } }) => !isOfSite(action));
  const done: typeof steps = [];
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(message);
  };
  for (const step of steps) {
    done.push(step);
    try {
      await operate(target, plan, step.do, signal, warn);
    } catch (failure) {
      for (const { undo } of done.toReversed())
        if (undo !== undefined)
          await operate(target, plan, undo, new AbortController().signal, warn);
      return { plan, failure, warnings };
    }
  }
  return { plan, warnings };
}

/** The plan of a change. */
export function planOf(
  target: Target,
  change: Pick<Change, 'from' | 'to'> & Partial<Change>,
): Plan {
  return makePlan({
    change: { intent: 'install', bundles: new Map(), ...change },
    ...{ subject: '', site: 'plant', madeAt: '2026-11-29T10:00:00Z', constraints: [], target },
  });
}

/** Runs one operation of a plan. */
export async function operate(
  target: Target,
  plan: Plan,
  { action, side, release: name, subject }: Operation,
  signal: AbortSignal,
  warn: (message: string) => void = () => {},
): Promise<void> {
  const release = releaseIn(plan[side], name);
  const isRepair = plan.from.number === plan.to.number;
  const counterpart = isRepair ? undefined : releaseIn(plan[side === 'to' ? 'from' : 'to'], name);
  if (release === undefined) throw new Error(`no release ${name}`);
  await target.run(
    { ...{ action, release, subject }, ...(counterpart === undefined ? {} : { counterpart }) },
    { withDepot: () => Promise.reject(new Error('no depot here')), warn },
    signal,
  );
}

function releaseIn({ releases }: Generation, name: string) {
  return releases.find((each) => each.name === name);
}

function isOfSite(action: string): boolean {
  return (siteActions as readonly string[]).includes(action);
}
