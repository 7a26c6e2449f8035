import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { counted, oneLine } from '../../../core/text.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
import { isForbidden } from '../api/failure.ts';
import { ProofFile } from '../doctor/cluster-proof.ts';
import { metadataOf } from '../pods.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

const MAX_CLASSES = 3;
const MAX_TEXT = 400;

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
export async function outsidePorts(input: ClusterConstraintInput): Promise<Constraint[]> {
  let balancer: string | undefined;
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(input.change))
    for (const { name, service } of clusterWorkload(release)?.services ?? []) {
      const { type, ports } = fieldsOf(service?.['spec']);
      if (type !== 'NodePort' && type !== 'LoadBalancer') continue;
      const count = listOf(ports).length;
      if (type === 'LoadBalancer') balancer ??= await loadBalancers(input);
      constraints.push({
        rule: 'outside-ports',
        satisfied: true,
        needs: `${type === 'NodePort' ? 'ports of every node' : 'a load balancer'} for service ${name} of release ${release.name}`,
        found:
          type === 'LoadBalancer'
            ? (balancer ?? '')
            : `the cluster assigns ${count} from its range when the Service is created; firewalls must allow them`,
      });
    }
  return constraints;
}

/** Whether the cluster gives addresses to Services of type LoadBalancer, which only one that has an address shows. */
async function loadBalancers({ cluster, signal }: ClusterConstraintInput): Promise<string> {
  let without = 0;
  const classes = new Set<string>();
  try {
    for await (const each of cluster.list({ kind: 'Service' }, signal)) {
      const { type, loadBalancerClass } = fieldsOf(each['spec']);
      if (type !== 'LoadBalancer') continue;
      const { ingress } = fieldsOf(fieldsOf(each['status'])['loadBalancer']);
      const [{ ip, hostname } = {}] = listOf(ingress);
      const address = textOf(ip) ?? textOf(hostname);
      const { namespace, name } = metadataOf(each);
      if (address !== undefined)
        return `proven: Service ${String(namespace)}/${String(name)} has address ${oneLine(address, MAX_TEXT)}`;
      without += 1;
      if (textOf(loadBalancerClass) !== undefined) classes.add(String(loadBalancerClass));
    }
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return 'not proven: the account may not list the Services of all namespaces, one of which could show it';
  }
  if (without === 0)
    return 'not proven: the cluster has no Service of type LoadBalancer yet, which could show it';
  const named = [...classes].slice(0, MAX_CLASSES).join(', ');
  const which = named === '' ? '' : `; they name class ${named}`;
  return oneLine(
    `not proven: ${counted(without, 'Service')} of type LoadBalancer, none with an address: the cluster may have no load balancer${which}`,
    MAX_TEXT,
  );
}
