import { canonicalJson } from '../../../core/canonical-json.ts';
import type { Override } from '../../../format/override.ts';
import type { Constraint, Plan } from '../../../format/plan.ts';
import type { Target } from '../../../target/target.ts';
import type { GrantedOverride } from '../../ledger/site-state.ts';

/**
 * The rules of a site that a person may override for a while: what they guard can be judged from outside. None of
 * those that keep a host whole (space), that the release cannot do without, or that a signature decides.
 */
const siteRules = [
  'window',
  'suppression',
  'upgrade-path',
  'requires',
  'conflict',
  'confirmed',
] as const;

/** The rules that a person may override for a while: the site's own, and those of its target. */
export function overridableRules({ overridable }: Pick<Target, 'overridable'>): readonly string[] {
  return [...siteRules, ...overridable];
}

interface Granted {
  readonly granted: readonly GrantedOverride[];
  /** RFC 3339 */
  readonly now: string;
}

/** The same constraints, each violated one with the override that lets it pass at this moment. */
export function withOverrides(
  constraints: readonly Constraint[],
  overridable: readonly string[],
  { granted, now }: Granted,
): Constraint[] {
  return constraints.map((constraint) => {
    if (constraint.satisfied || !overridable.includes(constraint.rule)) return constraint;
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
  const valid = granted.findLast(
    (each) => each.override.rule === rule && now >= each.at && now < each.override.until,
  );
  return valid?.override;
}
