import type { StowageError } from '../../core/error.ts';
import { fieldsOf, textOf, textsOf } from '../../core/json.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../format/kubernetes.ts';
import { awaitGone, notRemoved } from './api/await-gone.ts';
import { type Cluster, type Found, objectText } from './api/cluster.ts';
import { labels } from './labels.ts';
import { placeOf } from './workload.ts';

/** How long a finalizer may take, such as that of a load balancer. */
const FINALIZERS_MS = 30_000;

/** The id of the site that an object belongs to. */
export function ownerOf(found: Found): string | undefined {
  return textOf(fieldsOf(fieldsOf(found['metadata'])['labels'])[labels.site]);
}

/**
 * Deletes an object of this site. Nothing of another owner is removed because its name is ours.
 * @throws StowageError `engine-failed` when a finalizer holds the object
 */
export async function removeOurs(
  cluster: Cluster,
  { site }: KubernetesWorkload,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<void> {
  const place = placeOf(object);
  const found = await cluster.get(place, signal);
  if (found === undefined || ownerOf(found) !== site) return;
  await cluster.remove(place, signal);
  if (finalizersOf(found).length === 0) return;
  const read = (): Promise<Found | undefined> => cluster.get(place, signal);
  const stuck = (left: Found): StowageError =>
    notRemoved(objectText(object), {
      expected: `no finalizer after ${FINALIZERS_MS / 1000} s`,
      found: finalizersOf(left).join(', '),
    });
  await awaitGone({ read, deleted: found, limitMs: FINALIZERS_MS, stuck }, signal);
}

/** What must agree before the server deletes an object, except that no pod uses a volume anymore. */
function finalizersOf(found: Found): string[] {
  const all = textsOf(fieldsOf(found['metadata'])['finalizers']);
  return all.filter((each) => !/^kubernetes\.io\/pvc?-protection$/.test(each));
}
