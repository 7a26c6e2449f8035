import type { Constraint } from '../../../format/plan.ts';
import type { Site } from '../../../format/site.ts';
import type { ConstraintContext } from '../../target.ts';
import type { Cluster } from '../api/cluster.ts';

/** The input of a rule for a cluster. */
export interface ClusterConstraintInput extends ConstraintContext {
  readonly cluster: Cluster;
  readonly settings: Site;
}

export type ClusterRule = (
  input: ClusterConstraintInput,
) => Promise<readonly Constraint[]> | readonly Constraint[];
