import { type Fields, fieldsOf, listOf, textOf } from '../../core/json.ts';
import type { KubernetesService, KubernetesWorkload } from '../../format/kubernetes.ts';
import type { Found, Reader, Selection } from './api/cluster.ts';
import { labels, podSelector } from './labels.ts';

/** A pod of a service, as far as it matters here. */
export interface Pod {
  readonly name: string;
  /** Differs between pods of the same name. */
  readonly uid?: string;
  readonly node?: string;
  readonly ready: boolean;
  /** Whether it only works for the pod that answers requests. */
  readonly worker?: true;
  readonly deleted: boolean;
  /** Why it cannot run: a reason such as `ImagePullBackOff` or `Unschedulable`, and the message beside it. */
  readonly waiting?: { readonly reason: string; readonly message: string };
  /** Of its container. */
  readonly runningSince?: string;
  readonly restarts: number;
  /** The container that keeps it from getting ready, or its first. */
  readonly container: string;
  /** How its container ended last. */
  readonly ended?: { readonly reason: string; readonly exitCode: number; readonly message: string };
  /** What it belongs to. */
  readonly owners?: readonly Owner[];
}

/** An object that another one belongs to, in the same namespace or in none. */
export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Absent for the Deployment of a pod, which names its ReplicaSet only. */
  readonly uid?: string;
}

const MAX_OWNERS = 8;

/** The pods of a service, newest last. */
export async function podsOf(
  cluster: Reader,
  workload: KubernetesWorkload,
  { deployment }: KubernetesService,
  signal: AbortSignal,
): Promise<Pod[]> {
  return podsNamed(cluster, workload, deployment.metadata.name, signal);
}

/** The pods of one object of a release, newest last. */
export async function podsNamed(
  cluster: Reader,
  { site, release, namespace }: KubernetesWorkload,
  name: string,
  signal: AbortSignal,
): Promise<Pod[]> {
  return podsWith(cluster, { namespace, labels: podSelector(name, { site, release }) }, signal);
}

/** The pods with these labels, newest last. */
export async function podsWith(
  cluster: Reader,
  selection: Pick<Selection, 'namespace' | 'labels' | 'fields'>,
  signal: AbortSignal,
): Promise<Pod[]> {
  const found: { pod: Pod; at: string }[] = [];
  for await (const each of cluster.list({ ...selection, kind: 'Pod' }, signal))
    found.push({ pod: podFrom(each), at: textOf(metadataOf(each)['creationTimestamp']) ?? '' });
  return found.toSorted((a, b) => (a.at < b.at ? -1 : 1)).map(({ pod }) => pod);
}

/** The pod that a port-forward or a program goes to: one that is not being deleted, ready if possible. */
export function mainPod(pods: readonly Pod[]): Pod | undefined {
  const alive = pods.filter(({ deleted, worker }) => !deleted && worker !== true);
  return alive.find((each) => each.ready) ?? alive.at(-1);
}

/** The pod whose log says most: one that is not ready yet, if others are. */
export function loggedPod(pods: readonly Pod[]): Pod | undefined {
  return pods.findLast(({ deleted, ready }) => !deleted && !ready) ?? mainPod(pods);
}

export function metadataOf(object: Found): Fields {
  return fieldsOf(object['metadata']);
}

/** What an object belongs to: for the pod of a ReplicaSet its Deployment, which every account may read. */
export function ownersOf(object: Found): Owner[] {
  const metadata = metadataOf(object);
  const hash = `-${textOf(fieldsOf(metadata['labels'])['pod-template-hash']) ?? ''}`;
  return listOf(metadata['ownerReferences'])
    .slice(0, MAX_OWNERS)
    .map((each) => {
      const text = (member: string): string => textOf(each[member]) ?? '';
      const { apiVersion, kind, name, uid } = {
        ...{ apiVersion: text('apiVersion'), kind: text('kind') },
        ...{ name: text('name'), uid: text('uid') },
      };
      return kind === 'ReplicaSet' && hash !== '-' && name.endsWith(hash)
        ? { apiVersion, kind: 'Deployment', name: name.slice(0, -hash.length) }
        : { apiVersion, kind, name, uid };
    });
}

function podFrom(object: Found): Pod {
  const metadata = metadataOf(object);
  const status = fieldsOf(object['status']);
  const container = decisive(status);
  const { running, waiting, terminated } = stateIn(container['state']);
  const last = stateIn(container['lastState']).terminated;
  const node = textOf(fieldsOf(object['spec'])['nodeName']);
  const since = textOf(running?.['startedAt']);
  const uid = textOf(metadata['uid']);
  const ended = terminated ?? last;
  const why = waiting ?? unscheduled(status);
  const owners = ownersOf(object);
  return {
    name: textOf(metadata['name']) ?? '',
    ...(uid === undefined ? {} : { uid }),
    container: textOf(container['name']) ?? '',
    ...(node === undefined ? {} : { node }),
    ...(fieldsOf(metadata['labels'])[labels.role] === 'worker' ? { worker: true } : {}),
    ready: condition(status, 'Ready')?.['status'] === 'True',
    deleted: metadata['deletionTimestamp'] !== undefined,
    ...(why === undefined
      ? {}
      : {
          waiting: {
            reason: textOf(why['reason']) ?? '',
            message: textOf(why['message'], 65_536) ?? '',
          },
        }),
    ...(since === undefined ? {} : { runningSince: since }),
    restarts: Number(container['restartCount'] ?? 0),
    ...(owners.length === 0 ? {} : { owners }),
    ...(ended === undefined
      ? {}
      : {
          ended: {
            reason: textOf(ended['reason']) ?? '',
            exitCode: Number(ended['exitCode'] ?? -1),
            message: textOf(ended['message'], 65_536) ?? '',
          },
        }),
  };
}

/** The status of the container that says most of a pod: one that cannot start, one that failed, or the first. */
function decisive(status: Fields): Fields {
  const containers = listOf(status['containerStatuses']);
  const all = [...listOf(status['initContainerStatuses']), ...containers];
  const [first = {}] = containers;
  if (all.length <= 1) return first;
  const reason = (each: Fields): string | undefined =>
    textOf(stateIn(each['state']).waiting?.['reason']);
  return (
    all.find(
      (each) => !['PodInitializing', 'ContainerCreating', undefined].includes(reason(each)),
    ) ??
    all.find((each) => Number(stateIn(each['state']).terminated?.['exitCode'] ?? 0) !== 0) ??
    containers.find(({ ready }) => ready !== true) ??
    first
  );
}

function stateIn(value: unknown): Partial<Record<'running' | 'waiting' | 'terminated', Fields>> {
  const state = fieldsOf(value);
  const part = (name: string): Fields | undefined =>
    state[name] === undefined ? undefined : fieldsOf(state[name]);
  const { running, waiting, terminated } = {
    running: part('running'),
    waiting: part('waiting'),
    terminated: part('terminated'),
  };
  return {
    ...(running === undefined ? {} : { running }),
    ...(waiting === undefined ? {} : { waiting }),
    ...(terminated === undefined ? {} : { terminated }),
  };
}

function unscheduled(status: Fields): Fields | undefined {
  const scheduled = condition(status, 'PodScheduled');
  return scheduled?.['status'] === 'False' ? scheduled : undefined;
}

function condition(status: Fields, type: string): Fields | undefined {
  return listOf(status['conditions']).find((each) => each['type'] === type);
}
