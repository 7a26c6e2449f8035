import { fieldsOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { ObjectApi } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import { placeAll } from './sets.ts';

/** A Job that its cluster removes sooner would be gone before its end is seen. */
const KEPT_SECONDS = 600;

/** A Job that its cluster removes when it ended, but not before its end was seen. Pure. */
export function keptJob(object: KubernetesObject): KubernetesObject {
  const seconds = lifeOf(object);
  if (seconds === undefined || seconds >= KEPT_SECONDS) return object;
  const spec = { ...fieldsOf(object['spec']), ttlSecondsAfterFinished: KEPT_SECONDS };
  return { ...object, spec };
}

/** Whether the cluster removes an object when it ended: that it is gone then says that it ran. */
export function goesWhenEnded(object: KubernetesObject): boolean {
  return lifeOf(object) !== undefined;
}

/**
 * Objects without the Jobs that ran before and that the cluster removed since: made again, they would run again.
 * @param ran whether a Job was applied before
 */
export async function withoutEnded(
  { api, within }: { readonly api: ObjectApi; readonly within: string },
  objects: readonly KubernetesObject[],
  ran: (object: KubernetesObject) => boolean,
  signal: AbortSignal,
): Promise<readonly KubernetesObject[]> {
  const jobs = objects.filter((each) => goesWhenEnded(each) && ran(each));
  const placed = await placeAll(api, jobs, within, signal);
  const gone = await severalAtOnce(placed, async ({ placed: place, object }) =>
    (await api.get(place, signal)) === undefined ? [object] : [],
  );
  const ended = new Set(gone.flat());
  return objects.filter((each) => !ended.has(each));
}

function lifeOf({ apiVersion, kind, spec }: KubernetesObject): number | undefined {
  const seconds = fieldsOf(spec)['ttlSecondsAfterFinished'];
  return apiVersion === 'batch/v1' && kind === 'Job' && typeof seconds === 'number'
    ? seconds
    : undefined;
}
