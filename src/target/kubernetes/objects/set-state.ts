import { StowageError } from '../../../core/error.ts';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { counted, oneLine } from '../../../core/text.ts';
import type { KubernetesSet, KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Drift, ServiceState } from '../../target.ts';
import type { Found } from '../api/cluster.ts';
import { conflictsOf } from '../api/failure.ts';
import { type ObjectApi, placedText } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import { objectDrift } from '../drift.ts';
import { labels } from '../labels.ts';
import { metadataOf, type Pod } from '../pods.ts';
import { podsOfObject, waitsForPod } from './await-ready.ts';
import { goesWhenEnded } from './ended-jobs.ts';
import { type LiveObject, liveObjects } from './live-objects.ts';
import { OwnedPods } from './owned-pods.ts';
import { hasPods, isCustom, unready } from './readiness.ts';
import { isOurs, makerOf } from './set-owner.ts';
import type { PlacedObject } from './sets.ts';

const MAX_TEXT = 300;
const MAX_DRIFT = 100;
const MAX_REASONS = 3;

/** What a set is doing now: it runs if all of its objects are ready. */
export async function setState(
  api: ObjectApi,
  workload: KubernetesWorkload,
  set: KubernetesSet,
  signal: AbortSignal,
): Promise<ServiceState> {
  const live = await liveObjects(api, workload, set, signal);
  const mine = live.filter(
    ({ found, object }) => found !== undefined && isOurs(found, workload, object),
  );
  const drift = (await severalAtOnce(live, (each) => driftOf(api, workload, each, signal))).flat();
  const ended = live.filter(({ found, object }) => found === undefined && goesWhenEnded(object));
  if (mine.length === 0 && set.objects.length > ended.length)
    return { state: 'absent', detail: '', drift: drift.slice(0, MAX_DRIFT) };
  const reasons: string[] = [];
  for (const { placed, found } of mine) {
    const why = found === undefined ? undefined : unready(found, set.readyWhen);
    if (why !== undefined && placed !== undefined && !(await waitsForPod(api, found, signal)))
      reasons.push(`${placedText(placed)}: ${why}`);
  }
  const counts = `${mine.length + ended.length} of ${counted(set.objects.length, 'object')}`;
  const more = reasons.length - MAX_REASONS;
  return {
    state: reasons.length === 0 ? 'running' : 'stopped',
    detail: [
      counts,
      ...reasons.slice(0, MAX_REASONS).map((each) => oneLine(each, MAX_TEXT)),
      ...(more > 0 ? [`${more} more are not ready`] : []),
    ].join(', '),
    drift: drift.slice(0, MAX_DRIFT),
  };
}

/**
 * How an object differs from what was applied. Where it seems to, a dry run decides: the server writes many values in a form of
 * its own, and knows the lists of every kind.
 */
async function driftOf(
  api: ObjectApi,
  workload: KubernetesWorkload,
  { object, placed, found }: LiveObject,
  signal: AbortSignal,
): Promise<Drift[]> {
  const { kind, metadata } = object;
  const about = `${kind} ${metadata.name}`;
  if (found === undefined && goesWhenEnded(object)) return [];
  if (placed === undefined || found === undefined)
    return [{ field: about, expected: 'as it was applied', found: 'deleted' }];
  if (
    !isOurs(found, workload, object) &&
    textOf(fieldsOf(metadataOf(found)['labels'])[labels.site])
  )
    return [{ field: `${about} owner`, expected: `site ${workload.site}`, found: makerOf(found) }];
  const seeming = [...objectDrift(object, found), ...annotationDrift(object, found)];
  if (seeming.length === 0) return [];
  const answer = await api.tryApply(placed, object, signal, { dryRun: true });
  if (answer.failure !== undefined) {
    const conflicts = conflictsOf(answer.failure);
    if (conflicts.length === 0) return kind === 'Secret' ? seeming.map(hidden) : seeming;
    return conflicts.map(({ field, manager }) => ({
      field: oneLine(`${about} ${field}`, MAX_TEXT),
      expected: 'as it was applied',
      found: `changed by ${manager}`,
    }));
  }
  const changed = differences(answer.object, found, '');
  // Operators add fields to the objects of their charts; a person who does so is named.
  const foreign = seeming.filter(({ found: text }) =>
    /^(?:set by (?:kubectl|helm)|being deleted)/.test(text),
  );
  const fields = changed.map(({ path, wanted, actual }) => ({
    field: oneLine(`${about} ${path}`, MAX_TEXT),
    ...{ expected: said(wanted), found: said(actual) },
  }));
  const isSecret = (field: string): boolean => kind === 'Secret' || /\.env\[/.test(field);
  return [...fields.map((each) => (isSecret(each.field) ? hidden(each) : each)), ...foreign];
}

function annotationDrift({ kind, metadata }: PlacedObject['object'], found: Found): Drift[] {
  const actual = fieldsOf(metadataOf(found)['annotations']);
  return Object.entries(metadata.annotations ?? {})
    .filter(([name, value]) => actual[name] !== value)
    .map(([name, value]) => ({
      field: oneLine(`${kind} ${metadata.name} metadata.annotations.${name}`, MAX_TEXT),
      ...{ expected: said(value), found: said(actual[name]) },
    }));
}

/** A value that someone set by hand can be a secret. */
function hidden({ field }: Drift): Drift {
  return { field, expected: 'the value of the generation', found: 'another value' };
}

interface Difference {
  readonly path: string;
  readonly wanted: unknown;
  readonly actual: unknown;
}

/** Where two states of an object on the server differ, besides what the server itself counts. */
function differences(wanted: unknown, actual: unknown, path: string): Difference[] {
  if (/^(?:status|metadata\.(?:managedFields|resourceVersion|generation))$/.test(path)) return [];
  if (Array.isArray(wanted) && Array.isArray(actual) && wanted.length === actual.length)
    return wanted.flatMap((each, index) => differences(each, actual[index], `${path}[${index}]`));
  if (isObject(wanted) && isObject(actual)) {
    const names = new Set([...Object.keys(wanted), ...Object.keys(actual)]);
    return [...names].flatMap((name) =>
      differences(wanted[name], actual[name], path === '' ? name : `${path}.${name}`),
    );
  }
  return JSON.stringify(wanted) === JSON.stringify(actual) ? [] : [{ path, wanted, actual }];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function said(value: unknown): string {
  if (value === undefined) return 'not set';
  return oneLine(typeof value === 'string' ? value : JSON.stringify(value), MAX_TEXT);
}

/** A pod of a set, where it is: one that is not ready, if there is one. @throws StowageError `engine-failed` without a pod */
export async function podOfSet(
  api: ObjectApi,
  workload: KubernetesWorkload,
  set: KubernetesSet,
  signal: AbortSignal,
): Promise<{ readonly namespace: string; readonly pod: Pod }> {
  const live = await liveObjects(api, workload, set, signal);
  const all: { namespace: string; pod: Pod }[] = [];
  const owned = new OwnedPods(api);
  for (const { object, placed, found } of live) {
    if (placed === undefined || found === undefined) continue;
    const namespace = placed.namespace ?? workload.namespace;
    const pods = hasPods(found)
      ? await podsOfObject(api, placed, found, signal)
      : isCustom(object, set.readyWhen)
        ? await owned.of(found, namespace, signal)
        : [];
    for (const pod of pods) all.push({ namespace, pod });
  }
  const alive = all.filter(({ pod }) => !pod.deleted);
  const chosen = alive.findLast(({ pod }) => !pod.ready) ?? alive.at(-1);
  if (chosen !== undefined) return chosen;
  throw new StowageError('engine-failed', `${set.name} has no pod`, {
    expected: 'a pod of its objects',
    found: 'none',
    hint: 'its operators may have pods elsewhere: kubectl get pods --all-namespaces',
  });
}

/** A ready pod behind a Service of the cluster, and its port there. @throws StowageError `engine-failed` */
export async function podBehind(
  { cluster }: ObjectApi,
  { namespace }: KubernetesWorkload,
  { service, port }: { readonly service: string; readonly port: number },
  signal: AbortSignal,
): Promise<{ readonly namespace: string; readonly pod: string; readonly port: number }> {
  const found = await cluster.get({ kind: 'Service', namespace, name: service }, signal);
  const spec = fieldsOf(found?.['spec']);
  const entry = listOf(spec['ports']).find((each) => each['port'] === port);
  const selector = fieldsOf(spec['selector']) as Record<string, string>;
  if (entry !== undefined && Object.keys(selector).length > 0)
    for await (const pod of cluster.list({ kind: 'Pod', namespace, labels: selector }, signal)) {
      const conditions = listOf(fieldsOf(pod['status'])['conditions']);
      const ready = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
      const name = textOf(metadataOf(pod)['name']);
      if (ready && name !== undefined)
        return { namespace, pod: name, port: containerPort(pod, entry['targetPort'] ?? port) };
    }
  throw new StowageError('engine-failed', `Service ${namespace}/${service} has no ready pod`, {
    expected: `a Service with port ${port} and a ready pod`,
    found: found === undefined ? 'no such Service' : 'none',
    hint: 'kubectl describe service shows what it selects',
  });
}

/** The number of a port that a Service may name. */
function containerPort(pod: Found, target: unknown): number {
  if (typeof target === 'number') return target;
  const ports = listOf(fieldsOf(pod['spec'])['containers']).flatMap(({ ports: its }) =>
    listOf(its),
  );
  return Number(ports.find(({ name }) => name === target)?.['containerPort'] ?? 0);
}
