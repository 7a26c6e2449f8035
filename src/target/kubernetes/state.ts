import { fieldsOf } from '../../core/fields.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../format/kubernetes.ts';
import type { Drift, ServiceState } from '../target.ts';
import type { Cluster, Found } from './api/cluster.ts';
import { deploymentOf } from './deployed.ts';
import { missing, objectDrift } from './drift.ts';
import { labels } from './labels.ts';
import { mainPod, metadataOf, type Pod, podsOf } from './pods.ts';
import { endText, startFailure } from './start-failure.ts';
import { placeOf } from './workload.ts';

/** What a service is doing now, and how its objects differ from what was applied. */
export async function serviceState(
  cluster: Cluster,
  workload: KubernetesWorkload,
  service: KubernetesService,
  signal: AbortSignal,
): Promise<ServiceState> {
  const { deployment } = service;
  const found = await cluster.get(placeOf(deployment), signal);
  if (found === undefined) return { state: 'absent', detail: '', drift: [] };
  const owner = ownerOf(found);
  if (owner !== workload.site) {
    const about = owner === undefined ? 'something other than Stowage' : `site ${owner}`;
    return {
      state: 'absent',
      detail: `Deployment ${deployment.metadata.name} belongs to ${about}`,
      drift: [{ field: 'owner', expected: `site ${workload.site}`, found: about }],
    };
  }
  const pods = await podsOf(cluster, workload, service, signal);
  const drift = await driftOf(cluster, { workload, service, found }, signal);
  return { ...podState(pods), drift };
}

/** The id of the site that an object belongs to. */
export function ownerOf(found: Found): string | undefined {
  const owner = fieldsOf(metadataOf(found)['labels'])[labels.site];
  return typeof owner === 'string' ? owner : undefined;
}

function podState(pods: readonly Pod[]): Omit<ServiceState, 'drift'> {
  const pod = mainPod(pods);
  if (pod === undefined) return { state: 'stopped', detail: 'no pod' };
  const { runningSince, restarts, ended } = pod;
  const failure = runningSince === undefined ? startFailure(pod) : undefined;
  const parts = [
    ...(failure === undefined ? [] : [failure.found]),
    ...(failure === undefined && runningSince === undefined
      ? [ended === undefined ? (pod.waiting?.reason ?? 'starting') : endText(ended)]
      : []),
    ...(restarts > 0 ? [`restarted ${restarts} times`] : []),
  ];
  return {
    state: runningSince === undefined ? 'stopped' : 'running',
    detail: parts.join(', '),
    ...(runningSince === undefined ? {} : { startedAt: new Date(runningSince).toISOString() }),
    restarts,
  };
}

/** The release's own objects count for its first service. */
async function driftOf(
  cluster: Cluster,
  {
    workload,
    service,
    found,
  }: { workload: KubernetesWorkload; service: KubernetesService; found: Found },
  signal: AbortSignal,
): Promise<Drift[]> {
  const wanted = await deploymentOf(cluster, workload, service, signal).catch(
    () => service.deployment,
  );
  const shared = workload.services[0] === service ? workload.objects : [];
  const others = await Promise.all(shared.map((each) => driftOfOne(cluster, each, signal)));
  return [...objectDrift(wanted, found), ...others.flat()];
}

async function driftOfOne(
  cluster: Cluster,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<Drift[]> {
  const found = await cluster.get(placeOf(object), signal);
  return found === undefined ? [missing(object)] : objectDrift(object, found);
}

/** Nothing of another owner is removed because its name is ours. */
export async function removeOurs(
  cluster: Cluster,
  { site }: KubernetesWorkload,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<void> {
  const place = placeOf(object);
  const found = await cluster.get(place, signal);
  if (found !== undefined && ownerOf(found) === site) await cluster.remove(place, signal);
}
