import { mapBounded } from '../../../io/queue.ts';

/** Requests to one API server at once. */
const AT_ONCE = 8;

/**
 * Works on all, several at once. The results are in their order. After a failure nothing more is begun, and it is thrown when no
 * work is left running: whoever undoes it is alone.
 */
export function severalAtOnce<T, R>(
  all: readonly T[],
  work: (each: T) => Promise<R>,
): Promise<R[]> {
  return mapBounded(all, AT_ONCE, work);
}
