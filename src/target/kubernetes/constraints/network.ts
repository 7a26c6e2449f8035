import { fieldsOf, listOf } from '../../../core/fields.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
import { ProofFile } from '../doctor/cluster-proof.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** Only the network plugin enforces policies, and every API server accepts them: what doctor showed of this cluster. */
export async function networkPolicy({
  change,
  cluster,
  root,
  signal,
}: ClusterConstraintInput): Promise<Constraint[]> {
  const some = arrivals(change).some(({ release }) => clusterWorkload(release) !== undefined);
  if (!some) return [];
  const proof = await ProofFile.open(root, cluster, signal);
  const { networkPolicy: known } = await proof.read();
  return [
    {
      rule: 'network-policy',
      satisfied: true,
      needs: 'a network plugin that isolates the services',
      found:
        known === undefined
          ? 'not proven: stowage doctor tries it'
          : known.enforced
            ? `proven at ${known.at}`
            : `not enforced, as tried at ${known.at}: every pod of the cluster can reach the services`,
    },
  ];
}

/** How clients outside the cluster reach the services, which only the cluster decides. */
export function outsidePorts({ change }: ClusterConstraintInput): Constraint[] {
  return arrivals(change).flatMap(({ release }) =>
    (clusterWorkload(release)?.services ?? []).flatMap(({ name, service }) => {
      const { type, ports } = fieldsOf(service?.['spec']);
      if (type !== 'NodePort' && type !== 'LoadBalancer') return [];
      const count = listOf(ports).length;
      return {
        rule: 'outside-ports',
        satisfied: true,
        needs: `${type === 'NodePort' ? 'ports of every node' : 'a load balancer'} for service ${name} of release ${release.name}`,
        found:
          type === 'NodePort'
            ? `the cluster assigns ${count} from its range when the Service is created; firewalls must allow them`
            : 'not proven: only a Service shows whether the cluster has a load balancer',
      };
    }),
  );
}
