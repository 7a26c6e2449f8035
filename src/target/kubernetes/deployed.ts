import { StowageError } from '../../core/error.ts';
import { fieldsOf, textOf } from '../../core/fields.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../format/kubernetes.ts';
import type { Reader } from './api/cluster.ts';

/**
 * The Deployment of a service as it is applied: its pods know their peers by the addresses that the cluster gave to the
 * Services of the same generation. No name is resolved, so no DNS is needed, and the generation before is never reached.
 * @throws StowageError `engine-failed` when a peer has no Service
 */
export async function deploymentOf(
  cluster: Reader,
  { namespace }: KubernetesWorkload,
  { deployment, peers }: KubernetesService,
  signal: AbortSignal,
): Promise<KubernetesObject> {
  const hostAliases = await Promise.all(
    Object.entries(peers).map(async ([peer, name]) => ({
      ip: await addressOf(cluster, { namespace, name }, signal),
      hostnames: [peer],
    })),
  );
  const spec = fieldsOf(deployment['spec']);
  const template = fieldsOf(spec['template']);
  return {
    ...deployment,
    spec: {
      ...spec,
      template:
        hostAliases.length === 0
          ? template
          : { ...template, spec: { ...fieldsOf(template['spec']), hostAliases } },
    },
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
