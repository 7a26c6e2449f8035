import { counted } from '../../core/text.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../format/kubernetes.ts';
import type { Drift, ServiceState } from '../target.ts';
import type { Found, Reader } from './api/cluster.ts';
import { deploymentOf } from './deployed.ts';
import { missing, objectDrift } from './drift.ts';
import { namespaceObject, ownerOf, parentObject } from './namespace.ts';
import { mainPod, type Pod, podsOf } from './pods.ts';
import { endText, startFailure } from './start-failure.ts';
import { placeOf } from './workload.ts';
import { podCountOf, readyReplicasOf, replicasOf } from './workload-kinds.ts';

/** What a service is doing now, and how its objects differ from what was applied. */
export async function serviceState(
  cluster: Reader,
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
      detail: `${deployment.kind} ${deployment.metadata.name} belongs to ${about}`,
      drift: [{ field: 'owner', expected: `site ${workload.site}`, found: about }],
    };
  }
  const pods = await podsOf(cluster, workload, service, signal);
  const drift = await driftOf(cluster, { workload, service, found }, signal);
  const wanted = replicasOf(deployment);
  if (wanted > 1) {
    const ready = readyReplicasOf(deployment, found);
    return { ...severalState(pods, { ready, wanted }), drift };
  }
  return { ...spanningState(pods, podCountOf(deployment)), drift };
}

/** It runs if one of its pods does. */
function severalState(
  pods: readonly Pod[],
  replicas: NonNullable<ServiceState['replicas']>,
): Omit<ServiceState, 'drift'> {
  const alive = pods.filter(({ deleted }) => !deleted);
  const running = alive.flatMap((each) => each.runningSince ?? []).toSorted();
  const [first] = running;
  const [failing] = alive.filter(({ runningSince }) => runningSince === undefined);
  const restarts = alive.reduce((sum, each) => sum + each.restarts, 0);
  const why = failing === undefined ? '' : podState(failing).detail;
  return {
    state: first === undefined ? 'stopped' : 'running',
    detail: [
      `${replicas.ready} of ${replicas.wanted} ready`,
      ...(why === '' ? [] : [why]),
      ...(restarts > 0 && failing === undefined ? [`restarted ${counted(restarts, 'time')}`] : []),
    ].join(', '),
    ...(first === undefined ? {} : { startedAt: new Date(first).toISOString() }),
    ...{ restarts, replicas },
  };
}

/** A service runs if the pod does that answers requests; the detail says what is wrong with its workers. */
function spanningState(pods: readonly Pod[], count: number): Omit<ServiceState, 'drift'> {
  const state = podState(mainPod(pods));
  const alive = pods.filter(({ deleted }) => !deleted);
  const running = alive.filter(({ runningSince }) => runningSince !== undefined);
  if (running.length >= count || state.state !== 'running') return state;
  const failing = alive.find(
    ({ worker, runningSince }) => worker === true && runningSince === undefined,
  );
  const parts = [
    `${running.length} of ${counted(count, 'node')} run it`,
    failing === undefined ? '' : podState(failing).detail,
    state.detail,
  ];
  return { ...state, detail: parts.filter((each) => each !== '').join(', ') };
}

function podState(pod: Pod | undefined): Omit<ServiceState, 'drift'> {
  if (pod === undefined) return { state: 'stopped', detail: 'no pod' };
  const { runningSince, restarts, ended } = pod;
  const failure = runningSince === undefined ? startFailure(pod) : undefined;
  const parts = [
    ...(failure === undefined ? [] : [failure.found]),
    ...(failure === undefined && runningSince === undefined
      ? [ended === undefined ? (pod.waiting?.reason ?? 'starting') : endText(ended)]
      : []),
    ...(restarts > 0 ? [`restarted ${counted(restarts, 'time')}`] : []),
  ];
  return {
    state: runningSince === undefined ? 'stopped' : 'running',
    detail: parts.join(', '),
    ...(runningSince === undefined ? {} : { startedAt: new Date(runningSince).toISOString() }),
    restarts,
  };
}

/** Drift of the Service that clients use too. The release's own objects count for its first service. */
async function driftOf(
  cluster: Reader,
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
  const shared = workload.services[0] === service ? sharedObjects(workload) : [];
  const its = service.service === undefined ? shared : [...shared, service.service];
  const others = await Promise.all(its.map((each) => driftOfOne(cluster, each, signal)));
  return [...objectDrift(wanted, found), ...others.flat()];
}

function sharedObjects(workload: KubernetesWorkload): KubernetesObject[] {
  const { objects, ownsNamespace } = workload;
  const own = ownsNamespace ? [namespaceObject(workload)] : [];
  return [...own, parentObject(workload), ...objects];
}

async function driftOfOne(
  cluster: Reader,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<Drift[]> {
  const found = await cluster.get(placeOf(object), signal);
  return found === undefined ? [missing(object)] : objectDrift(object, found);
}
