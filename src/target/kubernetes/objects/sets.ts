import { createHash } from 'node:crypto';
import { StowageError } from '../../../core/error.ts';
import { canonicalJson, type Json } from '../../../core/json.ts';
import type {
  KubernetesObject,
  KubernetesSet,
  KubernetesWorkload,
} from '../../../format/kubernetes.ts';
import { apiGroup, type ObjectApi, type Placed, placedKey } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';

/** An object of a set and its place in the cluster. */
export interface PlacedObject {
  readonly object: KubernetesObject;
  readonly placed: Placed;
}

export function setsOf(workload: KubernetesWorkload | undefined): readonly KubernetesSet[] {
  return workload?.sets ?? [];
}

/** The set of this name; undefined for the name of a service. */
export function setOf(
  workload: KubernetesWorkload | undefined,
  name: string,
): KubernetesSet | undefined {
  return setsOf(workload).find((each) => each.name === name);
}

/** SHA-256 of a set, 64 hex digits. */
export function setDigest(set: KubernetesSet): string {
  const bytes = canonicalJson(set as unknown as Json);
  return createHash('sha256').update(bytes).digest('hex');
}

export function sameObject(a: KubernetesObject, b: KubernetesObject): boolean {
  return canonicalJson(a as unknown as Json) === canonicalJson(b as unknown as Json);
}

/** Every object of a set, those of hooks too. */
export function everyObject({ objects, hooks = [] }: KubernetesSet): KubernetesObject[] {
  return [...objects, ...hooks.map(({ object }) => object)];
}

/** Objects with their places, in their order. One of a kind that the server has in no version cannot exist, and is left out. */
export async function placeAll(
  api: ObjectApi,
  objects: readonly KubernetesObject[],
  within: string,
  signal: AbortSignal,
): Promise<PlacedObject[]> {
  const placed: PlacedObject[] = [];
  for (const object of objects) {
    const place = await api.place(object, within, signal);
    if (place !== undefined) placed.push({ object, placed: place });
  }
  return placed;
}

/** {@link placeAll}, where the server must have every kind. @throws StowageError `engine-failed` */
export async function placeEach(
  of: {
    readonly api: ObjectApi;
    readonly workload: KubernetesWorkload;
    readonly set: KubernetesSet;
  },
  objects: readonly KubernetesObject[],
  signal: AbortSignal,
): Promise<PlacedObject[]> {
  const placed = await placeAll(of.api, objects, of.workload.namespace, signal);
  const there = new Set(placed.map(({ object }) => object));
  const missing = objects.find((each) => !there.has(each));
  if (missing === undefined) return placed;
  const { apiVersion, kind, metadata } = missing;
  throw new StowageError('engine-failed', `the cluster has no kind ${kind} of ${apiVersion}`, {
    expected: 'a kind that the server has, or a definition in the same release',
    found: `${kind} ${metadata.name} of ${of.set.name}`,
    hint: 'install what defines this kind first; kubectl api-resources lists what the cluster has',
  });
}

/** The objects of all sets of a workload, by their places. */
export async function placesOf(
  api: ObjectApi,
  workload: KubernetesWorkload | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, KubernetesObject>> {
  if (workload === undefined) return new Map();
  const all = setsOf(workload).flatMap(everyObject);
  const placed = await placeAll(api, all, workload.namespace, signal);
  return new Map(placed.map((each) => [placedKey(each.placed), each.object]));
}

/** The namespaces that every cluster has. */
export const CLUSTER_NAMESPACES: ReadonlySet<string> = new Set([
  ...['default', 'kube-node-lease', 'kube-public', 'kube-system'],
]);

/** Whether a chart leaves an object behind when it is uninstalled, or when a later version does not have it. */
export function isKept({ metadata: { annotations = {} } }: KubernetesObject): boolean {
  return annotations['helm.sh/resource-policy']?.trim().toLowerCase() === 'keep';
}

/** The namespaces with an object that stays behind: they cannot be deleted either. */
export async function keptNamespaces(
  api: ObjectApi,
  workload: KubernetesWorkload,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const objects = setsOf(workload).flatMap(everyObject).filter(isKept);
  const placed = await placeAll(api, objects, workload.namespace, signal);
  const names = await severalAtOnce(placed, async (each) => {
    const found = await api.get(each.placed, signal);
    return found === undefined || each.placed.namespace === undefined
      ? []
      : [each.placed.namespace];
  });
  return new Set(names.flat());
}

/** The order in which Helm installs kinds (`InstallOrder` of its package `releaseutil`), without those of {@link LAST}. */
const ORDER = [
  ...['PriorityClass', 'Namespace', 'NetworkPolicy', 'ResourceQuota', 'LimitRange'],
  ...['PodSecurityPolicy', 'PodDisruptionBudget', 'ServiceAccount', 'Secret', 'ConfigMap'],
  ...['StorageClass', 'PersistentVolume', 'PersistentVolumeClaim', 'CustomResourceDefinition'],
  ...['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding', 'Service', 'DaemonSet', 'Pod'],
  ...['ReplicationController', 'ReplicaSet', 'Deployment', 'HorizontalPodAutoscaler'],
  ...['StatefulSet', 'Job', 'CronJob', 'IngressClass', 'Ingress'],
] as const;
/** What the server calls for objects of others: applied once what answers those calls is ready. */
const LAST: ReadonlySet<string> = new Set([
  'APIService',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
]);

/** The objects of a set by when they are applied. */
export interface Phases {
  readonly namespaces: readonly KubernetesObject[];
  /** Awaited until the server has their kinds; never removed by an uninstall. */
  readonly definitions: readonly KubernetesObject[];
  readonly rest: readonly KubernetesObject[];
  /** After everything else is ready. */
  readonly webhooks: readonly KubernetesObject[];
}

/** Objects of `objects:` in the order in which they are applied; those of one kind stay in theirs. */
export function inInstallOrder(objects: readonly KubernetesObject[]): KubernetesObject[] {
  return objects.toSorted((a, b) => rank(a) - rank(b));
}

export function phasesOf({ objects }: Pick<KubernetesSet, 'objects'>): Phases {
  const ordered = inInstallOrder(objects);
  const special = (each: KubernetesObject): boolean =>
    isNamespace(each) || isDefinition(each) || isWebhook(each);
  return {
    namespaces: ordered.filter(isNamespace),
    definitions: ordered.filter(isDefinition),
    rest: ordered.filter((each) => !special(each)),
    webhooks: ordered.filter(isWebhook),
  };
}

export function isNamespace({ apiVersion, kind }: KubernetesObject): boolean {
  return apiVersion === 'v1' && kind === 'Namespace';
}

export function isDefinition({ apiVersion, kind }: KubernetesObject): boolean {
  return apiGroup(apiVersion) === 'apiextensions.k8s.io' && kind === 'CustomResourceDefinition';
}

function isWebhook({ kind }: KubernetesObject): boolean {
  return LAST.has(kind);
}

/** Custom resources come after the workloads of their operators, as with Helm. */
function rank(object: KubernetesObject): number {
  if (isWebhook(object)) return ORDER.length + 1;
  const index = (ORDER as readonly string[]).indexOf(object.kind);
  return index < 0 ? ORDER.length : index;
}
