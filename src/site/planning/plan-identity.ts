import { canonicalBytes, canonicalJson, type Json } from '../../core/canonical-json.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Generation } from '../../format/generation.ts';
import type { Constraint, Plan } from '../../format/plan.ts';

/** SHA-512 of a plan's canonical bytes, 128 hex digits: what a person reads aloud, and an approval signs. */
export function planDigest(plan: Plan): string {
  return sriHex(sriOf(canonicalBytes(plan as unknown as Json)));
}

/**
 * Refuses a plan that the world has left behind.
 * @param now the plan for the same wish, made just now
 * @throws StowageError `plan-stale` saying what changed
 */
export function requireFreshPlan(plan: Plan, now: Plan): void {
  const changes = [
    ...changedGeneration('runs now', plan.from, now.from),
    ...changedGeneration('is wanted', plan.to, now.to),
    ...changedConstraints(plan.constraints, now.constraints),
    ...(alike(plan.site, now.site) ? [] : [`the site is called ${now.site}, not ${plan.site}`]),
    ...(alike(plan.steps, now.steps) ? [] : ['the steps would be others now']),
  ];
  const [first] = changes;
  if (first === undefined) return;
  throw new StowageError('plan-stale', 'the world is not as it was when the plan was made', {
    expected: 'the same generation, site.yaml, secrets and host',
    found: first,
    hint: 'make the plan again with stowage plan, read it, and have it approved where the site asks for that',
    defects: changes,
  });
}

function changedGeneration(what: string, then: Generation, now: Generation): string[] {
  if (then.number !== now.number)
    return [`generation ${now.number} ${what}, where the plan has ${then.number}`];
  return alike(then.releases, now.releases)
    ? []
    : [
        `generation ${now.number}, which ${what}, holds other values: site.yaml, a secret or a release changed`,
      ];
}

function changedConstraints(then: readonly Constraint[], now: readonly Constraint[]): string[] {
  const key = ({ rule, needs }: Constraint): string => `${rule}: ${needs}`;
  const before = new Map(then.map((each) => [key(each), each]));
  const changes = now.flatMap((each) => {
    const old = before.get(key(each));
    before.delete(key(each));
    if (old === undefined) return [`${key(each)} was not asked then`];
    // What was violated then and holds now (a window has opened) is what the plan was waiting for.
    if (each.satisfied || alike(excuse(old), excuse(each))) return [];
    return [`${key(each)}: then ${old.found}, now ${each.found}`];
  });
  return [...changes, ...[...before.keys()].map((each) => `${each} is not asked any more`)];
}

/** Whether a constraint is violated, and by whose word it may be. */
function excuse({ satisfied, override }: Constraint): unknown {
  return satisfied ? 'holds' : (override ?? null);
}

function alike(a: unknown, b: unknown): boolean {
  return canonicalJson(a as Json) === canonicalJson(b as Json);
}
