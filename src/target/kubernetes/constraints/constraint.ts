import type { Constraint } from '../../../format/plan.ts';
import type { Site } from '../../../format/site.ts';
import type { ConstraintContext } from '../../target.ts';
import type { Cluster } from '../api/cluster.ts';
import type { ObjectApi } from '../api/object-api.ts';

/** The input of a rule for a cluster. */
export interface ClusterConstraintInput extends ConstraintContext {
  readonly cluster: Cluster;
  readonly api: ObjectApi;
  readonly settings: Site;
  /** The folder of the site, which has what probes showed of the cluster. */
  readonly root: string;
  /** This host's platform, such as `linux/amd64`. */
  readonly platform: string;
}

export type ClusterRule = (
  input: ClusterConstraintInput,
) => Promise<readonly Constraint[]> | readonly Constraint[];
