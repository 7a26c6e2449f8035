import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { canonicalBytes, canonicalJson, type Json } from '../../core/json.ts';
import type { Constraint, Generation, Plan, Step } from '../../format/plan.ts';

/** SHA-512 of a plan's canonical bytes, 128 hex digits: what people compare. */
export function planDigest(plan: Plan): string {
  return sriHex(sriOf(canonicalBytes(plan as unknown as Json)));
}

/**
 * Refuses a plan that is out of date.
 * @param now a new plan for the same request
 * @param appliedAt when this plan was applied before; undefined if it was not
 * @throws StowageError `plan-stale` listing what changed
 */
export function requireFreshPlan(plan: Plan, now: Plan, appliedAt?: string): void {
  const changes = [
    ...changedGeneration('current', plan.from, now.from),
    ...changedGeneration('planned', plan.to, now.to),
    ...changedConstraints(plan.constraints, now.constraints),
    ...(alike(plan.site, now.site)
      ? []
      : [`the name of the site is ${now.site}, not ${plan.site}`]),
    ...(alike(plan.steps.map(withoutReason), now.steps.map(withoutReason))
      ? []
      : ['the steps are different now']),
  ];
  const [first] = changes;
  if (first === undefined) return;
  if (appliedAt !== undefined) throw alreadyApplied(plan, appliedAt);
  throw new StowageError('plan-stale', 'the plan is out of date', {
    expected: 'the same generation, site.yaml, secrets and host as in the plan',
    found: first,
    hint: 'make the plan again with stowage plan, review it, and have it approved if the site requires that',
    defects: changes,
  });
}

function alreadyApplied({ to }: Plan, at: string): StowageError {
  const message = `the plan was already applied, as generation ${to.number}`;
  return new StowageError('plan-stale', message, {
    expected: 'a plan that was not applied yet',
    found: `applied at ${at}`,
    hint: 'there is nothing to do: stowage status shows the current generation; for another change, make a new plan',
  });
}

function changedGeneration(which: string, then: Generation, now: Generation): string[] {
  if (then.number !== now.number)
    return [`the ${which} generation is ${now.number}, not ${then.number}`];
  return alike(then.releases, now.releases)
    ? []
    : [
        `the ${which} generation ${now.number} has different values: site.yaml, a secret or a release changed`,
      ];
}

function changedConstraints(then: readonly Constraint[], now: readonly Constraint[]): string[] {
  const key = ({ rule, needs }: Constraint): string => `${rule}: ${needs}`;
  const before = new Map(then.map((each) => [key(each), each]));
  const changes = now.flatMap((each) => {
    const old = before.get(key(each));
    before.delete(key(each));
    if (old === undefined) return [`new requirement: ${key(each)}`];
    // A constraint that was violated and now holds, such as an open window, is not a reason to refuse.
    if (each.satisfied || alike(stateOf(old), stateOf(each))) return [];
    return [`${key(each)}: was ${old.found}, now ${each.found}`];
  });
  return [...changes, ...[...before.keys()].map((each) => `no longer required: ${each}`)];
}

/** What a step does: how a program words its reason makes no difference. */
function withoutReason({ reason: _, ...step }: Step): unknown {
  return step;
}

/** Whether a constraint holds, or its override. */
function stateOf({ satisfied, override }: Constraint): unknown {
  return satisfied ? 'holds' : (override ?? null);
}

function alike(a: unknown, b: unknown): boolean {
  return canonicalJson(a as Json) === canonicalJson(b as Json);
}
