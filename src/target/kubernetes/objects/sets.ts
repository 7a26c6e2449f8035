import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../../core/canonical-json.ts';
import { fieldsOf, listOf, textOf } from '../../../core/fields.ts';
import type {
  KubernetesObject,
  KubernetesSet,
  KubernetesWorkload,
} from '../../../format/kubernetes.ts';
import type { Found } from '../api/cluster.ts';
import { type ObjectApi, type Placed, placedKey } from '../api/object-api.ts';
import { labels as ownLabels } from '../labels.ts';
import { ownerOf } from '../ownership.ts';
import { metadataOf } from '../pods.ts';
import { isDefinition, isNamespace } from './order.ts';

/** An object of a set and its place in the cluster. */
export interface PlacedObject {
  readonly object: KubernetesObject;
  readonly placed: Placed;
}

/** Requests at once. */
const AT_ONCE = 8;

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

/**
 * Works on all, several at once. The results are in their order. After a failure nothing more is begun, and it is thrown when no
 * work is left running: whoever undoes it is alone.
 */
export async function severalAtOnce<T, R>(
  all: readonly T[],
  work: (each: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < all.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await work(all[index] as T);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, all.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
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

/** Whether an object is of this release. A definition is of the whole site: releases that contain the same one share it. */
export function isOurs(
  found: Found,
  { site, release }: Pick<KubernetesWorkload, 'site' | 'release'>,
  object: KubernetesObject,
): boolean {
  if (ownerOf(found) !== site) return false;
  const { labels } = metadataOf(found);
  return isDefinition(object) || textOf(fieldsOf(labels)[ownLabels.release]) === release;
}

/**
 * Whether `adopt` is for an object that exists: for none of another release of Stowage, for no namespace of the cluster itself, and
 * for no Secret, whose content the site would have to keep.
 */
export function isAdoptable(found: Found, object: KubernetesObject): boolean {
  if (isSecret(object)) return false;
  if (isNamespace(object) && CLUSTER_NAMESPACES.has(object.metadata.name)) return false;
  return ownerOf(found) === undefined || isDefinition(object);
}

export function isSecret({ apiVersion, kind }: Found | KubernetesObject): boolean {
  return apiVersion === 'v1' && kind === 'Secret';
}

/** Who made an object that is not this release's, in words. */
export function makerOf(found: Found): string {
  const { labels, annotations, managedFields } = metadataOf(found);
  const release = fieldsOf(annotations)['meta.helm.sh/release-name'];
  if (typeof release === 'string') {
    const namespace = fieldsOf(annotations)['meta.helm.sh/release-namespace'];
    return `Helm release ${release} in namespace ${String(namespace)}`;
  }
  const own = fieldsOf(labels);
  const site = own[ownLabels.site];
  const owner = own[ownLabels.release];
  if (typeof site === 'string')
    return typeof owner === 'string' ? `release ${owner} of site ${site}` : `site ${site}`;
  const managers = new Set(listOf(managedFields).map(({ manager }) => String(manager)));
  return managers.size === 0 ? 'another owner' : [...managers].slice(0, 5).join(', ');
}
