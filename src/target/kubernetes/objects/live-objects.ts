import { textOf } from '../../../core/json.ts';
import type { KubernetesSet, KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Found } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import { type ObjectApi, type Placed, placedKey, type Resource } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import { releaseSelector } from '../labels.ts';
import { metadataOf } from '../pods.ts';
import type { PlacedObject } from './sets.ts';

/** Objects of one kind that are read by a list, and not one by one. */
const MANY = 4;

/** An object of a set as it is now; `placed` is absent for a kind that the server does not have. */
export interface LiveObject {
  readonly object: PlacedObject['object'];
  readonly placed?: Placed;
  readonly found?: Found;
}

/** The objects of a set as they are now, in their order: many of one kind by a list. */
export async function liveObjects(
  api: ObjectApi,
  workload: KubernetesWorkload,
  { objects }: Pick<KubernetesSet, 'objects'>,
  signal: AbortSignal,
): Promise<LiveObject[]> {
  const placed = await severalAtOnce(objects, async (object) => ({
    object,
    placed: await api.place(object, workload.namespace, signal),
  }));
  const groups = new Map<string, { resource: Resource; namespace?: string; count: number }>();
  for (const { placed: place } of placed) {
    if (place === undefined) continue;
    const { resource, namespace } = place;
    const key = groupKey(place);
    const count = (groups.get(key)?.count ?? 0) + 1;
    groups.set(key, { resource, count, ...(namespace === undefined ? {} : { namespace }) });
  }
  const listed = new Map<string, Found>();
  await severalAtOnce([...groups.values()], async ({ resource, namespace, count }) => {
    if (count < MANY) return;
    try {
      const selection = { namespace, labels: releaseSelector(workload) };
      for await (const found of api.list(resource, selection, signal))
        listed.set(placedKey(placeOf(found, resource)), {
          ...found,
          ...{ apiVersion: resource.apiVersion, kind: resource.kind },
        });
    } catch (error) {
      if (!isForbidden(error)) throw error;
    }
  });
  return severalAtOnce(placed, async ({ object, placed: place }): Promise<LiveObject> => {
    if (place === undefined) return { object };
    // An object without our label has another owner, or lost it: only the server knows.
    const found = listed.get(placedKey(place)) ?? (await api.get(place, signal));
    return { object, placed: place, ...(found === undefined ? {} : { found }) };
  });
}

function groupKey({ resource: { apiVersion, kind }, namespace = '' }: Placed): string {
  return `${apiVersion} ${kind} ${namespace}`;
}

function placeOf(found: Found, resource: Resource): Placed {
  const { name, namespace } = metadataOf(found);
  const where = textOf(namespace);
  return {
    resource,
    name: textOf(name) ?? '',
    ...(where === undefined ? {} : { namespace: where }),
  };
}
