import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../../core/error.ts';
import { fieldsOf, textOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../format/kubernetes.ts';
import type { Cluster, Found } from './api/cluster.ts';
import { deploymentOf } from './deployed.ts';
import { objectDrift } from './drift.ts';
import { removeOurs } from './namespace.ts';
import { type Pod, podsOf } from './pods.ts';
import { endText, type StartFailure, startFailure } from './start-failure.ts';
import { placeOf } from './workload.ts';
import { podCountOf, readyReplicasOf, replicasOf, workloadKindOf } from './workload-kinds.ts';

const POLL_MS = 500;
/** How long what may pass, such as a node without a free GPU, is waited for. */
const PATIENCE_MS = 120_000;
/** How often a failure that does not pass must be seen: the kubelet repeats a pull that a registry cut off. */
const TIMES_SEEN = 3;
const STOP_MS = 120_000;
/** After the grace period of a pod, its node is lost and tells nobody that it ended; it gets no requests anymore. */
const LOST_MS = 45_000;
const READY_MS = 120_000;
/** How long all replicas are waited for while some are ready: one may have been lost since the gate. */
const ALL_READY_MS = 20_000;
/** kube-proxy writes its rules at most a second after a change, and other proxies within two. */
const SETTLE_MS = 3_000;
const MAX_TEXT = 500;
const MAX_EVENTS = 20;

type Ended = NonNullable<Pod['ended']>;

interface Deployed {
  readonly cluster: Cluster;
  readonly workload: KubernetesWorkload;
  readonly service: KubernetesService;
}

/**
 * Applies the object of a service and waits until the process of every pod runs: image pulled, pod placed. Pulls may take
 * hours, so there is no limit while nothing fails except the service's `startupLimitSeconds`.
 * @throws StowageError `gate-failed` naming the reason, with the events and the last log lines
 */
export async function startService(deployed: Deployed, signal: AbortSignal): Promise<void> {
  const { cluster, workload, service } = deployed;
  const object = await deploymentOf(cluster, workload, service, signal);
  // A server that does not answer holds up no pod.
  const time = (): number => performance.now() - cluster.outages.total();
  const began = time();
  const replaced = await applied(deployed, object, signal);
  const wanted = podCountOf(service.deployment);
  const limit = (service.health?.startupLimitSeconds ?? 86_400) * 1000;
  const exits = new Map<string, Ended>();
  let seen = 0;
  let passing: number | undefined;
  for (;;) {
    if (signal.aborted) throw interrupted(signal);
    const all = await podsOf(cluster, workload, service, signal);
    const pods = all.filter(({ deleted, uid }) => !deleted && !replaced.has(uid));
    for (const { uid, ended } of all) if (uid !== undefined && ended) exits.set(uid, ended);
    const waiting = pods.filter(({ runningSince }) => runningSince === undefined);
    if (pods.length - waiting.length >= wanted && (await isUpdated(deployed, signal))) return;
    const failure =
      firstFailure(waiting) ??
      recreated(exits, pods) ??
      (pods.length < wanted ? await withoutPods(deployed, signal) : undefined);
    const now = time();
    if (failure === undefined) {
      passing = undefined;
    } else if (failure.mayPass) {
      passing ??= now;
      if (now - passing >= PATIENCE_MS) throw await notStarted(deployed, failure, signal);
    } else {
      seen += 1;
      if (seen >= TIMES_SEEN) throw await notStarted(deployed, failure, signal);
    }
    if (now - began >= limit) {
      const { found, hint } = failure ?? {
        found: waiting.at(-1)?.waiting?.reason ?? 'no pod',
        hint: 'see the events of the pod',
      };
      const late = { found: `${found}, for ${limit / 1000} s`, hint, mayPass: false };
      throw await notStarted(deployed, late, signal);
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * Applies the object of a service.
 * @returns the pods that its controller replaces for that, because someone had edited what they are made of. They run until it
 * has seen the change.
 */
async function applied(
  { cluster, workload, service }: Deployed,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<ReadonlySet<string | undefined>> {
  const madeOf = ({ spec }: Found): string =>
    JSON.stringify(workloadKindOf(object).madeOf(fieldsOf(spec)));
  const before = await cluster.get(placeOf(object), signal);
  const pods = before === undefined ? [] : await podsOf(cluster, workload, service, signal);
  const after = await cluster.apply(object, signal);
  if (before === undefined || madeOf(before) === madeOf(after)) return new Set();
  return new Set(pods.map(({ uid }) => uid));
}

/** Whether the pods are those of the present object: also where a run before this one was killed after it applied the object. */
async function isUpdated(
  { cluster, service: { deployment } }: Deployed,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await cluster.get(placeOf(deployment), signal);
  if (found === undefined) return false;
  return workloadKindOf(deployment).updated(found) >= replicasOf(deployment);
}

/** Pods that were replaced because their processes ended: a controller recreates them without a back-off. */
function recreated(
  exits: ReadonlyMap<string, Ended>,
  pods: readonly Pod[],
): StartFailure | undefined {
  const present = new Set(pods.map(({ uid }) => uid));
  const replaced = [...exits].filter(([uid]) => !present.has(uid));
  const [, last] = replaced.at(-1) ?? [];
  if (last === undefined || replaced.length < TIMES_SEEN) return undefined;
  return {
    found: oneLine(
      `the process exits again and again: ${endText(last)}: ${last.message}`,
      MAX_TEXT,
    ),
    hint: 'send this to the release engineer',
    mayPass: false,
  };
}

/**
 * Deletes the object of a service, whoever changed it since, and waits until its pods are gone and their GPUs free, but not
 * for a node that is lost. The generation has what is needed to start it again.
 * @throws StowageError `engine-failed` when a pod stays
 */
export async function stopService(deployed: Deployed, signal: AbortSignal): Promise<void> {
  const { cluster, workload, service } = deployed;
  await removeDeployment(deployed, signal);
  const began = performance.now();
  for (;;) {
    if (signal.aborted) throw interrupted(signal);
    const pods = await podsOf(cluster, workload, service, signal);
    const waited = performance.now() - began;
    if (pods.every(({ deleted }) => deleted && waited >= LOST_MS)) return;
    if (waited >= STOP_MS)
      throw new StowageError('engine-failed', `service ${service.name} does not stop`, {
        expected: `no pod of ${service.deployment.kind} ${service.deployment.metadata.name} after ${STOP_MS / 1000} s`,
        found: pods.map(({ name, node = 'no node' }) => `${name} on ${node}`).join(', '),
        hint: 'check with kubectl what creates these pods',
      });
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** Deletes the object of a service, unless it is another owner's. Its pods end in their own time. */
export async function removeDeployment(
  { cluster, workload, service: { deployment } }: Deployed,
  signal: AbortSignal,
): Promise<void> {
  await removeOurs(cluster, workload, deployment, signal);
}

/** A failure that does not pass says more than one that may. */
function firstFailure(pods: readonly Pod[]): StartFailure | undefined {
  const failures = pods.flatMap((each) => startFailure(each) ?? []);
  return failures.find(({ mayPass }) => !mayPass) ?? failures[0];
}

/**
 * {@link directClients}, once all pods are ready to the cluster too. One that was lost since the gate does not hold this up for
 * long.
 * @throws StowageError `engine-failed` when no pod gets ready
 */
export async function pointService(deployed: Deployed, signal: AbortSignal): Promise<void> {
  const { cluster, service } = deployed;
  if (service.service === undefined) return;
  const began = performance.now();
  const replicas = replicasOf(service.deployment);
  for (;;) {
    if (signal.aborted) throw interrupted(signal);
    const found = await cluster.get(placeOf(service.deployment), signal);
    const ready = found === undefined ? 0 : readyReplicasOf(service.deployment, found);
    const waited = performance.now() - began;
    if (ready >= replicas || (ready > 0 && waited >= ALL_READY_MS)) break;
    if (waited >= READY_MS)
      throw new StowageError('engine-failed', `service ${service.name} has no ready pod`, {
        expected: `a ready pod after ${READY_MS / 1000} s, because it passed its gate`,
        found: found === undefined ? `no ${service.deployment.kind}` : 'no ready pod',
        hint: 'kubectl describe shows what the readiness probe of the pod gets',
      });
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
  return directClients(deployed, signal);
}

/** Directs the clients of a service to its pods, whether or not one is ready, and waits until every node knows. */
export async function directClients(
  { cluster, service: { service: object } }: Deployed,
  signal: AbortSignal,
): Promise<void> {
  if (object === undefined) return;
  const before = await cluster.get(placeOf(object), signal);
  // An undo finds the Service as it was: nothing may refuse what needs no write.
  if (before !== undefined && objectDrift(object, before).length === 0) return;
  const after = await cluster.apply(object, signal);
  const selector = (found: Found | undefined): string =>
    JSON.stringify(fieldsOf(found?.['spec'])['selector']);
  // Whatever served clients before goes on running until every node sends them to the new pods.
  if (selector(before) !== selector(after))
    await sleep(SETTLE_MS, undefined, { signal }).catch(() => {});
}

/** Why the controller makes no pods; undefined if it only takes its time. */
async function withoutPods(
  { cluster, service: { deployment } }: Deployed,
  signal: AbortSignal,
): Promise<StartFailure | undefined> {
  const found = await cluster.get(placeOf(deployment), signal);
  if (found === undefined) return undefined;
  return workloadKindOf(deployment).withoutPods(cluster, found, signal);
}

async function notStarted(
  deployed: Deployed,
  { found, hint }: StartFailure,
  signal: AbortSignal,
): Promise<StowageError> {
  const { service } = deployed;
  return new StowageError('gate-failed', `service ${service.name} did not start`, {
    expected: 'a pod whose process runs',
    found,
    hint,
    defects: await eventsOf(deployed, signal).catch(() => []),
  });
}

/** The warnings of the cluster about the pods of a service, newest last. */
async function eventsOf(
  { cluster, workload, service }: Deployed,
  signal: AbortSignal,
): Promise<string[]> {
  const pods = await podsOf(cluster, workload, service, signal);
  const events: { at: string; text: string }[] = [];
  for (const { name } of pods) {
    const selection = { kind: 'Event', namespace: workload.namespace } as const;
    const fields = `involvedObject.name=${name},type=Warning`;
    for await (const event of cluster.list({ ...selection, fields }, signal)) {
      const { reason, message, lastTimestamp, eventTime } = event;
      events.push({
        at: textOf(lastTimestamp) ?? textOf(eventTime) ?? '',
        text: oneLine(`${textOf(reason) ?? ''}: ${textOf(message, 65_536) ?? ''}`, MAX_TEXT),
      });
    }
  }
  return events
    .toSorted((a, b) => (a.at < b.at ? -1 : 1))
    .slice(-MAX_EVENTS)
    .map(({ text }) => text);
}
