import { isDeepStrictEqual } from 'node:util';
import { type Fields, listOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { SiteSupply } from '../../target.ts';
import { type Attempt, type Found, required } from '../api/cluster.ts';
import { type ObjectApi, type Placed, placedText } from '../api/object-api.ts';
import { MANAGER } from '../labels.ts';
import { metadataOf } from '../pods.ts';
import { contentOf, patchContent, replacing, sameContent, WRITE_ATTEMPTS } from './adopt.ts';
import { patiently } from './apply-patiently.ts';
import { hasEnded } from './readiness.ts';
import { recreated, retainedFields, withoutAddresses, withRetained } from './retained-fields.ts';
import { isDefinition } from './sets.ts';
import { leaveVersions } from './stored-versions.ts';

interface Restoring {
  readonly api: ObjectApi;
  readonly warn: SiteSupply['warn'];
}

interface Original {
  readonly placed: Placed;
  /** The object as it was before it was adopted. */
  readonly before: Found;
}

/**
 * Restores an adopted object: its content, and who manages which of its fields. What the server does not let change back, such as
 * the size of a claim, stays as it is, with a warning: an adopted object is never deleted. One that is gone is created again, but
 * nothing that had run to its end.
 * @throws StowageError `engine-failed`
 */
export async function restoreOriginal(
  of: Restoring,
  { placed, before }: Original,
  signal: AbortSignal,
): Promise<void> {
  const now = await of.api.get(placed, signal);
  if (now === undefined && hasEnded(before)) return;
  const original = contentOf(before);
  const restored =
    now === undefined
      ? await createAgain(of, { placed, original }, signal)
      : await replace(of, { placed, original, now }, signal);
  const managed = listOf(metadataOf(before)['managedFields']);
  if (managed.length === 0) return;
  const value = { op: 'replace', path: '/metadata/managedFields', value: managed };
  await patchContent(of.api, { placed, found: restored }, () => [value], signal);
}

interface Replacing {
  readonly placed: Placed;
  readonly original: Fields;
  readonly now: Found;
}

async function replace(
  { api, warn }: Restoring,
  { placed, original, now: first }: Replacing,
  signal: AbortSignal,
): Promise<Found> {
  let now: Found | undefined = first;
  let retained: readonly string[] = [];
  const object = original as Fields as KubernetesObject;
  if (isDefinition(object)) {
    const write = (moved: Fields): Promise<Found> =>
      api.put(placed, { ...moved, metadata: metadataOf(first) }, first, signal);
    await leaveVersions({ api, write }, { placed, object, found: first }, signal);
    now = await api.get(placed, signal);
  }
  for (let attempt = 1; ; attempt += 1) {
    if (now === undefined) return createAgain({ api, warn }, { placed, original }, signal);
    const wanted = replacing(now, withRetained(original, now, retained));
    const found = now;
    const answer: Attempt = await patiently(
      () => api.tryPut(placed, wanted, found, signal),
      signal,
    );
    const { failure } = answer;
    const before = retained;
    if (failure?.status === 422) retained = retainedFields({ now, original }, failure, retained);
    const isRepeated = failure?.status === 409 || !isDeepStrictEqual(retained, before);
    if (failure === undefined || !isRepeated || attempt >= WRITE_ATTEMPTS) {
      const restored = required(answer, `restore ${placedText(placed)}`);
      if (retained.length > 0)
        warn(
          `${placedText(placed)} was restored, except for ${retained.join(', ')}`,
          'the cluster does not let this change back, as with the size of a claim: it stays as it is, and can be used',
        );
      return restored;
    }
    now = await api.get(placed, signal);
  }
}

async function createAgain(
  { api, warn }: Restoring,
  { placed, original }: Omit<Replacing, 'now'>,
  signal: AbortSignal,
): Promise<Found> {
  const object = recreated(original);
  const answer = await patiently(() => api.tryPut(placed, object, undefined, signal), signal);
  const other = withoutAddresses(object);
  if (answer.failure?.status !== 422 || other === undefined)
    return required(answer, `restore ${placedText(placed)}`);
  const restored = await api.put(placed, other, undefined, signal);
  warn(
    `${placedText(placed)} was restored with another address`,
    'another Service has its address or one of its node ports by now; clients that use its name are not affected',
  );
  return restored;
}

/**
 * Whether {@link restoreOriginal} was interrupted between its two writes: the object is as it was, and Stowage still manages some of its
 * fields. Pure.
 */
export function isHalfRestored(now: Found, before: Found): boolean {
  const manages = (object: Found): boolean =>
    listOf(metadataOf(object)['managedFields']).some(({ manager }) => manager === MANAGER);
  return manages(now) && !manages(before) && sameContent(now, before);
}
