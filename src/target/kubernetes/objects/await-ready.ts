import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../../../core/error.ts';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { oneLine } from '../../../core/text.ts';
import type { KubernetesSet, KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Found } from '../api/cluster.ts';
import { pathOf } from '../api/kinds.ts';
import { type ObjectApi, type Placed, placedText } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import { type Pod, podsWith } from '../pods.ts';
import { type StartFailure, startFailure } from '../start-failure.ts';
import { liveObjects } from './live-objects.ts';
import { OwnedPods, ownedFailure } from './owned-pods.ts';
import { endOfJob, hasPods, isAwaited, isCustom, unready } from './readiness.ts';
import type { PlacedObject } from './sets.ts';

const POLL_MS = 500;
/** Once nothing has changed for a while, such as while images are pulled. */
const SLOW_POLL_MS = 2000;
const SLOW_AFTER_MS = 20_000;
/** How long what may pass, such as a node without room, is waited for. */
const PATIENCE_MS = 120_000;
/** How often a failure that does not pass must be seen: the kubelet repeats a pull that a registry cut off. */
const TIMES_SEEN = 3;
/** How long nothing may change of objects that are not ready. A node says nothing while it pulls an image. */
const STALLED_MS = 1_800_000;
const MAX_TEXT = 500;
const MAX_EVENTS = 20;
const LOG_LINES = 30;
/** Objects whose pods are looked at in one round; the others follow in the next. */
const LOOKED_AT = 16;
/** Pods that are looked at of one object. */
const MAX_PODS = 200;

export interface Awaiting {
  readonly api: ObjectApi;
  readonly workload: KubernetesWorkload;
  readonly set: KubernetesSet;
  /** Called with what is waited for, whenever that changes. */
  readonly progress?: (what: string) => void;
}

/** An object that is not ready, and why. */
interface Pending {
  readonly each: PlacedObject;
  readonly found: Found | undefined;
  readonly why: string;
}

/**
 * Waits until objects are ready, each as its kind is. There is no limit while something changes.
 * @param limitMs a limit all the same
 * @throws StowageError `gate-failed` naming the first that fails, with the events and the last lines of its pods
 */
export async function awaitReady(
  of: Awaiting,
  objects: readonly PlacedObject[],
  signal: AbortSignal,
  limitMs: number = Number.POSITIVE_INFINITY,
): Promise<void> {
  const began = performance.now();
  let changed = began;
  let last = '';
  const firstSeen = new Map<string, { count: number; at: number }>();
  let left = objects.filter(({ object }) => isAwaited(object, of.set.readyWhen));
  const waiting: Waiting = new Map();
  const owned = new OwnedPods(of.api);
  for (let round = 0; ; round += 1) {
    if (signal.aborted) throw interrupted(signal);
    owned.refresh();
    const pending = await pendingOf(of, left, waiting, signal);
    left = pending.map(({ each }) => each);
    const [first] = pending;
    if (first === undefined) return;
    const now = performance.now();
    for (const each of turnOf(pending, round)) {
      const key = placedText(each.each.placed);
      const failure = await failureOf(of, each, owned, signal);
      if (failure === undefined) {
        firstSeen.delete(key);
        continue;
      }
      const seen = firstSeen.get(key) ?? { count: 0, at: now };
      firstSeen.set(key, { ...seen, count: seen.count + 1 });
      const over = failure.mayPass ? now - seen.at >= PATIENCE_MS : seen.count + 1 >= TIMES_SEEN;
      if (over) throw await notReady(of, each, failure, owned, signal);
    }
    const text = pending.map(({ each, why }) => `${placedText(each.placed)} ${why}`).join('\n');
    if (text !== last) {
      changed = now;
      const more = pending.length === 1 ? '' : `, and ${pending.length - 1} more`;
      of.progress?.(`${placedText(first.each.placed)} of ${of.set.name}: ${first.why}${more}`);
    }
    last = text;
    if (now - changed >= STALLED_MS || now - began >= limitMs) {
      const waited = Math.round((now - Math.max(began, changed)) / 1000);
      const found = `${first.why}, for ${waited} s`;
      const hint = 'kubectl describe shows more of the object';
      throw await notReady(of, first, { found, hint, mayPass: false }, owned, signal);
    }
    const pause = now - changed < SLOW_AFTER_MS ? POLL_MS : SLOW_POLL_MS;
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
}

/** Some of many, each in its turn. */
function turnOf(pending: readonly Pending[], round: number): readonly Pending[] {
  if (pending.length <= LOOKED_AT) return pending;
  const begin = (round * LOOKED_AT) % pending.length;
  return [...pending, ...pending].slice(begin, begin + LOOKED_AT);
}

/** Whether the claims of a class wait for a pod: that of a class never changes. */
type Waiting = Map<string, Promise<boolean>>;

async function pendingOf(
  { api, workload, set }: Awaiting,
  objects: readonly PlacedObject[],
  waiting: Waiting,
  signal: AbortSignal,
): Promise<Pending[]> {
  const live = await liveObjects(
    api,
    workload,
    { objects: objects.map(({ object }) => object) },
    signal,
  );
  const byObject = new Map(live.map(({ object, found }) => [object, found]));
  const all = await severalAtOnce(objects, async (each): Promise<Pending[]> => {
    const found = byObject.get(each.object);
    const why = found === undefined ? 'it was removed' : unready(found, set.readyWhen);
    if (why === undefined || (await waitsForPod(api, found, signal, waiting))) return [];
    return [{ each, found, why }];
  });
  return all.flat();
}

/** Whether a claim gets its volume only when a pod uses it, which may be never. */
export async function waitsForPod(
  { cluster }: ObjectApi,
  found: Found | undefined,
  signal: AbortSignal,
  known: Waiting = new Map(),
): Promise<boolean> {
  if (found?.['kind'] !== 'PersistentVolumeClaim') return false;
  const name = textOf(fieldsOf(found['spec'])['storageClassName']) ?? '';
  if (name === '') return false;
  const read = async (): Promise<boolean> => {
    const { object } = await cluster.tryGet({ kind: 'StorageClass', name }, signal);
    return object === undefined || object['volumeBindingMode'] === 'WaitForFirstConsumer';
  };
  const waits = known.get(name) ?? read();
  known.set(name, waits);
  return waits;
}

/** Why an object will not get ready; undefined if it only takes its time. */
async function failureOf(
  of: Awaiting,
  pending: Pending,
  owned: OwnedPods,
  signal: AbortSignal,
): Promise<StartFailure | undefined> {
  const { each, found, why } = pending;
  if (found === undefined)
    return {
      found: 'it was deleted while Stowage waited for it',
      hint: 'check with kubectl what removes it, and run the command again',
      mayPass: false,
    };
  if (!hasPods(found)) {
    const failure = ownedFailure(await podsOfPending(of, pending, owned, signal));
    return failure === undefined ? undefined : forSet(failure);
  }
  const { phase } = fieldsOf(found['status']);
  if (endOfJob(found) === 'Failed' || (found['kind'] === 'Pod' && phase === 'Failed'))
    return {
      found: why,
      hint: 'the lines below are the last that it wrote; send them to the release engineer',
      mayPass: false,
    };
  const pods = (await podsOfObject(of.api, each.placed, found, signal)).filter(
    (pod) => !pod.deleted && !pod.ready,
  );
  const failures = pods.flatMap((pod) => startFailure(pod) ?? []);
  const failure = failures.find(({ mayPass }) => !mayPass) ?? failures[0];
  if (failure !== undefined) return forSet(failure);
  return pods.length > 0 ? undefined : noPods(of, each.placed, found, signal);
}

/** Where the pods of a chart run is decided by its values, and not by the settings of the site. */
function forSet(failure: StartFailure): StartFailure {
  if (!/kubernetes\.(?:switch|tolerations|nodeSelector|claim)/.test(failure.hint)) return failure;
  return {
    ...failure,
    hint: 'free what is missing, or ask the release engineer for other values of the chart',
  };
}

/** Why a controller makes no pod: quota, PodSecurity, a webhook. */
async function noPods(
  { api }: Awaiting,
  placed: Placed,
  found: Found,
  signal: AbortSignal,
): Promise<StartFailure | undefined> {
  const conditions = listOf(fieldsOf(found['status'])['conditions']);
  const failed = conditions.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  const message =
    textOf(failed?.['message'], 65_536) ??
    (await warningsOf(api, placed, signal)).findLast((each) => each.startsWith('FailedCreate: '));
  if (message === undefined) return undefined;
  return {
    found: `the cluster admits no pod: ${oneLine(message.replace(/^FailedCreate: /, ''), MAX_TEXT)}`,
    hint: /exceeded quota/.test(message)
      ? 'ask the owner of the cluster for a larger quota, or uninstall a release'
      : 'ask the owner of the cluster which policy refuses the pod, or the release engineer for a podSecurity that admits it',
    mayPass: /exceeded quota/.test(message),
  };
}

async function notReady(
  of: Awaiting,
  pending: Pending,
  { found, hint }: StartFailure,
  owned: OwnedPods,
  signal: AbortSignal,
): Promise<StowageError> {
  const { api, set, workload } = of;
  const { placed } = pending.each;
  const within = { ...placed, namespace: placed.namespace ?? workload.namespace };
  const pods = await podsOfPending(of, pending, owned, signal);
  const failing = pods.findLast(({ ready }) => !ready) ?? pods.at(-1);
  return new StowageError('gate-failed', `${placedText(placed)} of ${set.name} is not ready`, {
    expected: `${placedText(placed)} ready`,
    ...{ found, hint },
    defects: [
      ...(await warningsOf(api, placed, signal).catch(() => [])),
      ...(failing === undefined ? [] : await podEvents(api, within, failing, signal)),
      ...(failing === undefined ? [] : await lastLines(api, within, failing, signal)),
    ],
  });
}

/** The pods of a custom resource are in its namespace, or in that of the release. */
async function podsOfPending(
  { api, workload, set }: Awaiting,
  { each: { placed }, found }: Pending,
  owned: OwnedPods,
  signal: AbortSignal,
): Promise<Pod[]> {
  if (found === undefined) return [];
  const { apiVersion, kind } = placed.resource;
  if (hasPods(found)) return podsOfObject(api, placed, found, signal);
  if (!isCustom({ apiVersion, kind }, set.readyWhen)) return [];
  return owned.of(found, placed.namespace ?? workload.namespace, signal);
}

/** The pods of an object that makes pods, newest last. */
export async function podsOfObject(
  { cluster }: ObjectApi,
  { namespace = '', name, resource }: Placed,
  found: Found,
  signal: AbortSignal,
): Promise<Pod[]> {
  if (resource.kind === 'Pod')
    return podsWith(cluster, { namespace, fields: `metadata.name=${name}` }, signal);
  const { matchLabels } = fieldsOf(fieldsOf(found['spec'])['selector']);
  const labels =
    resource.kind === 'Job'
      ? { 'batch.kubernetes.io/job-name': name }
      : (fieldsOf(matchLabels) as Record<string, string>);
  if (Object.keys(labels).length === 0) return [];
  return (await podsWith(cluster, { namespace, labels }, signal)).slice(-MAX_PODS);
}

/** The last lines of a pod, with what its container wrote before it restarted. */
export async function lastLines(
  { cluster }: ObjectApi,
  { namespace = '' }: Placed,
  { name, container }: Pod,
  signal: AbortSignal,
): Promise<string[]> {
  const lines = async (previous: boolean): Promise<string[]> => {
    const query = new URLSearchParams({ container, tailLines: String(LOG_LINES) });
    if (previous) query.set('previous', 'true');
    const path = `${pathOf('Pod', namespace, name)}/log?${query}`;
    const { status, text } = await cluster
      .text(path, signal)
      .catch(() => ({ status: 0, text: '' }));
    return status === 200 ? text.split('\n').filter((line) => line.trim() !== '') : [];
  };
  const now = await lines(false);
  return (now.length > 0 ? now : await lines(true)).map((line) => oneLine(line, MAX_TEXT));
}

async function podEvents(
  api: ObjectApi,
  { namespace = '' }: Placed,
  { name }: Pod,
  signal: AbortSignal,
): Promise<string[]> {
  const resource = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };
  return warningsOf(api, { resource, namespace, name }, signal).catch(() => []);
}

/** The warnings of the cluster about an object, newest last. */
async function warningsOf(
  { cluster }: ObjectApi,
  { resource, namespace = 'default', name }: Placed,
  signal: AbortSignal,
): Promise<string[]> {
  const fields = `involvedObject.name=${name},involvedObject.kind=${resource.kind},type=Warning`;
  const events: { at: string; text: string }[] = [];
  for await (const event of cluster.list({ kind: 'Event', namespace, fields }, signal)) {
    const { reason, message, lastTimestamp, eventTime } = event;
    events.push({
      at: textOf(lastTimestamp) ?? textOf(eventTime) ?? '',
      text: oneLine(`${textOf(reason) ?? ''}: ${textOf(message, 65_536) ?? ''}`, MAX_TEXT),
    });
  }
  const sorted = events.toSorted((a, b) => (a.at < b.at ? -1 : 1)).map(({ text }) => text);
  return [...new Set(sorted)].slice(-MAX_EVENTS);
}
