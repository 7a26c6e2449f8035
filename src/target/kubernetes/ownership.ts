import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, textOf, textsOf } from '../../core/fields.ts';
import { interrupted } from '../../core/interrupted.ts';
import { oneLine } from '../../core/printable.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../format/kubernetes.ts';
import { type Cluster, type Found, objectText } from './api/cluster.ts';
import { labels } from './labels.ts';
import { placeOf } from './workload.ts';

const POLL_MS = 500;
/** How long a finalizer may take, such as that of a load balancer. */
const FINALIZERS_MS = 30_000;
const MAX_TEXT = 300;

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
  const began = performance.now();
  for (;;) {
    const left = await cluster.get(place, signal);
    if (left === undefined || uidOf(left) !== uidOf(found)) return;
    if (signal.aborted) throw interrupted(signal);
    if (performance.now() - began >= FINALIZERS_MS) throw held(object, left);
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** What must agree before the server deletes an object, except that no pod uses a volume anymore. */
function finalizersOf(found: Found): string[] {
  const all = textsOf(fieldsOf(found['metadata'])['finalizers']);
  return all.filter((each) => !/^kubernetes\.io\/pvc?-protection$/.test(each));
}

function uidOf(found: Found): string | undefined {
  return textOf(fieldsOf(found['metadata'])['uid']);
}

function held(object: KubernetesObject, found: Found): StowageError {
  return new StowageError('engine-failed', `${objectText(object)} is not removed`, {
    expected: `no finalizer after ${FINALIZERS_MS / 1000} s`,
    found: oneLine(finalizersOf(found).join(', '), MAX_TEXT),
    hint: 'ask the owner of the cluster what sets this finalizer and does not remove it; then run the same command again',
  });
}
