import { canonicalJson } from '../../../core/canonical-json.ts';
import type { Constraint, Override, Plan } from '../../../format/plan.ts';
import type { GrantedOverride } from '../../ledger/site-state.ts';

/**
 * The rules that a person may let a change violate for a while: what they guard can be judged from outside. None
 * of those that keep a host whole (space, ports), that the release cannot do without, or that a signed word decides.
 */
export const overridable = [
  'window',
  'suppression',
  'upgrade-path',
  'requires',
  'conflict',
  'confirmed',
  'kernel',
  'engine',
  'cpu',
  'memory',
  'gpu',
] as const;

/** The same constraints, each violated one with the override that lets it pass at this moment. */
export function withOverrides(
  constraints: readonly Constraint[],
  granted: readonly GrantedOverride[],
  now: string,
): Constraint[] {
  return constraints.map((constraint) => {
    if (constraint.satisfied) return constraint;
    const override = overrideOf(constraint.rule, granted, now);
    return override === undefined ? constraint : { ...constraint, override };
  });
}

/** The overrides that a plan rests on, each once. */
export function overridesUsed({ constraints }: Plan): Override[] {
  const used = constraints.flatMap(({ override }) => (override === undefined ? [] : [override]));
  return [...new Map(used.map((each) => [canonicalJson({ ...each }), each])).values()];
}

function overrideOf(
  rule: string,
  granted: readonly GrantedOverride[],
  now: string,
): Override | undefined {
  if (!overridable.some((each) => each === rule)) return undefined;
  const valid = granted.findLast(
    (each) => each.override.rule === rule && now >= each.at && now < each.override.until,
  );
  return valid?.override;
}
