import type { ClusterProof } from '../../../format/cluster-record.ts';

/** What doctor showed of NetworkPolicies in a cluster. */
export type PolicyProof = NonNullable<ClusterProof['networkPolicy']>;

/** How services are not isolated, in words; undefined for a cluster that enforces policies. */
export function withoutIsolation({ enforced, at }: PolicyProof): string | undefined {
  return enforced
    ? undefined
    : `NetworkPolicies are not enforced, as tried at ${at}: every pod of the cluster can reach the services, and they can connect to any place`;
}
