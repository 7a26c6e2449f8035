import { StowageError } from '../../core/error.ts';
import type { OpenEndpoint, ServiceOf } from '../target.ts';
import type { ObjectApi } from './api/object-api.ts';
import { forwardTo } from './api/pod-streams.ts';
import { podBehind, podOfSet } from './objects/set-state.ts';
import { setOf } from './objects/sets.ts';
import { mainPod, type Pod, podsOf } from './pods.ts';
import { serviceOf, workloadOf } from './workload.ts';

/** A port on loopback that leads to a port of a service. */
export async function openPort(
  api: ObjectApi,
  of: ServiceOf,
  port: string,
  signal: AbortSignal,
): Promise<OpenEndpoint> {
  const { cluster } = api;
  const workload = workloadOf(of.release);
  const set = setOf(workload, of.service);
  if (set?.endpoint !== undefined)
    return forwardTo(cluster, await podBehind(api, workload, set.endpoint, signal));
  const service = serviceOf(workloadOf(of.release), of.service);
  const found = service.ports.find((each) => each.name === port);
  if (found === undefined) throw new Error(`service ${of.service} has no port ${port}`);
  const { namespace, pod } = await podOf(api, of, signal);
  return forwardTo(cluster, { namespace, pod, port: found.port });
}

/** A pod of a service, and the container that runs its program. */
interface ServicePod {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** The pod that answers for a service. @throws StowageError `engine-failed` when it has none */
export async function podOf(
  api: ObjectApi,
  { release, service: name }: ServiceOf,
  signal: AbortSignal,
  choose: (pods: readonly Pod[]) => Pod | undefined = mainPod,
): Promise<ServicePod> {
  const { cluster } = api;
  const workload = workloadOf(release);
  const set = setOf(workload, name);
  if (set !== undefined) {
    const { namespace, pod: found } = await podOfSet(api, workload, set, signal);
    return { namespace, pod: found.name, container: found.container };
  }
  const service = serviceOf(workload, name);
  const pod = choose(await podsOf(cluster, workload, service, signal));
  if (pod !== undefined) return { namespace: workload.namespace, pod: pod.name, container: name };
  throw new StowageError('engine-failed', `service ${name} has no pod`, {
    expected: `a pod of ${service.deployment.kind} ${service.deployment.metadata.name}`,
    found: 'none',
    hint: `run stowage start ${release.name} ${name}, or stowage install again`,
  });
}
