import type { Constraint } from '../../../format/plan.ts';
import { admission } from './admission.ts';
import { capacity } from './capacity.ts';
import type { ClusterConstraintInput, ClusterRule } from './constraint.ts';
import { rights } from './rights.ts';
import { version } from './version.ts';

/** Rules that need no work in the cluster come first. */
const rules: readonly ClusterRule[] = [version, rights, capacity, admission];

/** Rules that a person may temporarily override. */
export const overridableRules = ['capacity'] as const;

/** The result of every rule for a cluster, satisfied or not. */
export async function clusterConstraints(input: ClusterConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const rule of rules) constraints.push(...(await rule(input)));
  return constraints;
}
