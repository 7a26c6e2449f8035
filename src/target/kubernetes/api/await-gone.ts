import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../../../core/error.ts';
import { fieldsOf, textsOf } from '../../../core/json.ts';
import { oneLine } from '../../../core/text.ts';
import type { Found } from './cluster.ts';
import { type ObjectApi, type Placed, placedText } from './object-api.ts';

const POLL_MS = 500;
const GONE_MS = 120_000;
const MAX_TEXT = 300;

export interface Leaving {
  readonly read: () => Promise<Found | undefined>;
  /** The object that was deleted: one of its name with another uid is another object. Absent: none may have its name. */
  readonly deleted?: Found;
  readonly limitMs: number;
  /** The error for one that is still there after the limit. */
  readonly stuck: (left: Found) => StowageError;
}

/** Waits until a deleted object is gone. @throws StowageError of `stuck`, `interrupted` */
export async function awaitGone(leaving: Leaving, signal: AbortSignal): Promise<void> {
  const { read, deleted, limitMs, stuck } = leaving;
  const began = performance.now();
  for (;;) {
    const left = await read();
    if (left === undefined) return;
    if (deleted !== undefined && uidOf(left) !== uidOf(deleted)) return;
    if (signal.aborted) throw interrupted(signal);
    if (performance.now() - began >= limitMs) throw stuck(left);
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * Deletes an object and waits until it is gone; what its operator makes anew is another object.
 * @throws StowageError `engine-failed` when it stays
 */
export async function removeAndWait(
  api: ObjectApi,
  placed: Placed,
  signal: AbortSignal,
): Promise<void> {
  const deleted = await api.get(placed, signal);
  if (deleted === undefined) return;
  await api.remove(placed, signal);
  const read = (): Promise<Found | undefined> => api.get(placed, signal);
  const stuck = (left: Found): StowageError => {
    const finalizers = textsOf(fieldsOf(left['metadata'])['finalizers']);
    return notRemoved(placedText(placed), {
      expected: `no such object after ${GONE_MS / 1000} s`,
      found: finalizers.length === 0 ? 'it is there' : `finalizers ${finalizers.join(', ')}`,
    });
  };
  await awaitGone({ read, deleted, limitMs: GONE_MS, stuck }, signal);
}

/** The error for an object that something holds. @param text of the object, such as `Lease a/b` */
export function notRemoved(
  text: string,
  { expected, found }: { readonly expected: string; readonly found: string },
): StowageError {
  return new StowageError('engine-failed', `${text} is not removed`, {
    ...{ expected, found: oneLine(found, MAX_TEXT) },
    hint: 'ask the owner of the cluster what sets this finalizer and does not remove it; then run the same command again',
  });
}

function uidOf(found: Found): unknown {
  return fieldsOf(found['metadata'])['uid'];
}
