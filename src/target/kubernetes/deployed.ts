import { StowageError } from '../../core/error.ts';
import { fieldsOf, textOf } from '../../core/json.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../format/kubernetes.ts';
import type { Reader } from './api/cluster.ts';
import { workloadKindOf } from './workload-kinds.ts';

/**
 * The object of a service as it is applied: its pods know their peers by the addresses that the cluster gave to the
 * Services of the same generation. No name is resolved, so no DNS is needed, and the generation before is never reached.
 * @throws StowageError `engine-failed` when a peer has no Service
 */
export async function deploymentOf(
  cluster: Reader,
  { namespace }: KubernetesWorkload,
  { name: service, deployment, peers }: KubernetesService,
  signal: AbortSignal,
): Promise<KubernetesObject> {
  const known = await Promise.all(
    Object.entries(peers).map(async ([peer, name]) => ({
      ip: await addressOf(cluster, { namespace, name }, signal),
      hostnames: [peer],
    })),
  );
  const leader = known.find(({ hostnames }) => hostnames.includes(service));
  return {
    ...deployment,
    spec: workloadKindOf(deployment).withAddresses(deployment, {
      peers: known.filter((each) => each !== leader),
      ...(leader === undefined ? {} : { leader }),
    }),
  };
}

async function addressOf(
  cluster: Reader,
  place: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<string> {
  const found = await cluster.get({ kind: 'Service', ...place }, signal);
  const address = textOf(fieldsOf(found?.['spec'])['clusterIP']);
  if (address !== undefined && address !== 'None') return address;
  throw new StowageError('engine-failed', `service ${place.name} has no address in the cluster`, {
    expected: `Service ${place.namespace}/${place.name} with a cluster IP`,
    found: found === undefined ? 'no such Service' : 'no cluster IP',
    hint: 'run stowage install again: it creates what is missing',
  });
}
