import { canonicalJson } from '../../../core/json.ts';
import type { Override } from '../../../format/override.ts';
import type { Constraint, Plan } from '../../../format/plan.ts';
import type { Target } from '../../../target/target.ts';
import type { GrantedOverride } from '../../ledger/site-state.ts';

/**
 * The rules of a site that a person may temporarily override. They exclude rules that protect the host (space), that
 * the release depends on, or that depend on a signature.
 */
const siteRules = [
  'window',
  'suppression',
  'upgrade-path',
  'requires',
  'conflict',
  'confirmed',
] as const;

/** The rules that a person may temporarily override: those of the site and of its target. */
export function overridableRules({ overridable }: Pick<Target, 'overridable'>): readonly string[] {
  return [...siteRules, ...overridable];
}

interface Granted {
  readonly granted: readonly GrantedOverride[];
  /** RFC 3339. */
  readonly now: string;
}

/** The same constraints, each violated one with its valid override, if any. */
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

/** The overrides that a plan uses, without duplicates. */
export function overridesUsed({ constraints }: Plan): Override[] {
  const used = constraints.flatMap(({ override }) => (override === undefined ? [] : [override]));
  return [...new Map(used.map((each) => [canonicalJson({ ...each }), each])).values()];
}

/** The overrides that are valid at a time, RFC 3339: the latest of each rule. */
export function validOverrides(granted: readonly GrantedOverride[], now: string): Override[] {
  const rules = [...new Set(granted.map(({ override: { rule } }) => rule))];
  return rules.flatMap((rule) => overrideOf(rule, granted, now) ?? []);
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
