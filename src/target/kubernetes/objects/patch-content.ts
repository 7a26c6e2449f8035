import { StowageError } from '../../../core/error.ts';
import type { Found } from '../api/cluster.ts';
import { refusedRequest } from '../api/failure.ts';
import { type ObjectApi, type Placed, placedText } from '../api/object-api.ts';
import { metadataOf } from '../pods.ts';
import { sameContent } from './object-content.ts';

/** Attempts at one write: a controller may write the status of its object several times a second. */
export const WRITE_ATTEMPTS = 10;

/**
 * Changes an object by RFC 6902 if its content is as it was read. Writes of its status do not count as changes.
 * @param changes the operations for a state of the object; none if it is as it should be
 * @throws StowageError `engine-failed` for an object that somebody changed or deleted meanwhile
 */
export async function patchContent(
  api: ObjectApi,
  { placed, found }: { readonly placed: Placed; readonly found: Found },
  changes: (now: Found) => readonly object[],
  signal: AbortSignal,
): Promise<void> {
  let now = found;
  for (let attempt = 1; ; attempt += 1) {
    const operations = changes(now);
    if (operations.length === 0) return;
    const { resourceVersion } = metadataOf(now);
    const test = { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion };
    const { failure } = await api.tryPatch(placed, [test, ...operations], signal);
    if (failure === undefined) return;
    const next = await api.get(placed, signal);
    const isStale = next !== undefined && metadataOf(next)['resourceVersion'] !== resourceVersion;
    if (next !== undefined && (!isStale || attempt >= WRITE_ATTEMPTS))
      throw refusedRequest(`change ${placedText(placed)}`, failure);
    // An attempt whose answer was lost.
    if (next !== undefined && changes(next).length === 0) return;
    if (next === undefined || !sameContent(found, next)) throw changedMeanwhile(placed, next);
    now = next;
  }
}

function changedMeanwhile(placed: Placed, now: Found | undefined): StowageError {
  return new StowageError('engine-failed', `${placedText(placed)} was changed by somebody else`, {
    expected: 'the object as it was a moment ago',
    found: now === undefined ? 'it was deleted' : 'other content',
    hint: 'check with kubectl what changes the object; then run the same command again',
  });
}
