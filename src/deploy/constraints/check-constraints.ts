import { StowageError } from '../../core/error.ts';
import type { Constraint } from '../../format/plan.ts';
import type { Question, Rule } from './constraint.ts';
import { ports } from './ports.ts';
import { requiredReleases } from './releases.ts';

const rules: readonly Rule[] = [requiredReleases, ports];

/** Every rule's answer, satisfied or not. */
export async function checkConstraints(question: Question): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const rule of rules) constraints.push(...(await rule(question)));
  return constraints;
}

/** @throws StowageError `host-unfit` listing every constraint that does not hold and that nobody lets pass */
export function requireSatisfied(constraints: readonly Constraint[]): void {
  const violated = constraints.filter((each) => !each.satisfied && each.override === undefined);
  const [first] = violated;
  if (first === undefined) return;
  throw new StowageError('host-unfit', 'this host or site is not fit for the release', {
    expected: first.needs,
    found: first.found,
    hint: 'mend each point named, or set other values in site.yaml, and run the command again',
    defects: violated.map((each) => `${each.rule}: expected ${each.needs}, found ${each.found}`),
  });
}
