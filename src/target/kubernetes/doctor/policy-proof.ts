import type { ClusterProof } from '../../../format/cluster-record.ts';

/** What doctor showed of NetworkPolicies in a cluster. */
export type PolicyProof = NonNullable<ClusterProof['networkPolicy']>;

/** How services are not isolated, in words; undefined for a cluster that enforces policies in both directions. */
export function withoutIsolation({ ingress, egress, at }: PolicyProof): string | undefined {
  if (ingress && egress) return undefined;
  if (ingress)
    return `NetworkPolicies are enforced for incoming connections only, as tried at ${at}: the services can connect to any place`;
  if (egress)
    return `NetworkPolicies are enforced for outgoing connections only, as tried at ${at}: every pod of the cluster can reach the services`;
  return `NetworkPolicies are not enforced, as tried at ${at}: every pod of the cluster can reach the services, and they can connect to any place`;
}
