import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from '../../../core/error.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { SiteSupply } from '../../target.ts';
import type { Found } from '../api/cluster.ts';
import { conflictsOf, refusedRequest } from '../api/failure.ts';
import { definedResources, objectKey, placedKey, placedText } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import { adopt } from './adopt.ts';
import { applyPatiently } from './apply-patiently.ts';
import { type Awaiting, awaitReady } from './await-ready.ts';
import { withoutEnded } from './ended-jobs.ts';
import { isCustom } from './readiness.ts';
import type { ReplacedObjects } from './replaced-objects.ts';
import { runHooks } from './set-hooks.ts';
import { foreignObject, isAdoptable, isOurs } from './set-owner.ts';
import {
  isDefinition,
  type PlacedObject,
  phasesOf,
  placeAll,
  placeEach,
  placesOf,
  sameObject,
  setDigest,
  setOf,
} from './sets.ts';

const POLL_MS = 500;
/** How long the server may take to serve a kind whose definition is established. */
const SERVED_MS = 15_000;

/** A set of a release, and what its site knows. */
export interface SetWork extends Awaiting {
  /** The release of this name in the other generation of the plan. */
  readonly other?: KubernetesWorkload | undefined;
  readonly replaced: ReplacedObjects;
  readonly warn: SiteSupply['warn'];
}

/**
 * Applies a set: its namespaces, then its definitions, until the server has their kinds; its hooks before, everything else, until
 * all of it is ready; webhooks; its hooks after.
 * @throws StowageError `gate-failed` for what does not get ready or a hook that fails, `engine-failed`
 */
export async function applySet(work: SetWork, signal: AbortSignal): Promise<void> {
  const isUpgrade = setOf(work.other, work.set.name) !== undefined;
  await keepReplaced(work, signal);
  await applyFirst(work, signal);
  await runHooks(work, isUpgrade ? 'pre-upgrade' : 'pre-install', signal);
  await applyRest(work, await appliedBefore(work, signal), signal);
  await runHooks(work, isUpgrade ? 'post-upgrade' : 'post-install', signal);
}

/** Applies a set of an earlier generation, without its hooks. @throws as {@link applySet} */
export async function returnSet(work: SetWork, signal: AbortSignal): Promise<void> {
  await keepReplaced(work, signal);
  await applyFirst(work, signal);
  await applyRest(work, await appliedBefore(work, signal), signal);
}

/** Applies a set again, without its hooks: what is as it should be stays untouched. @throws as {@link applySet} */
export async function repairSet(work: SetWork, signal: AbortSignal): Promise<void> {
  await applyFirst(work, signal);
  await applyRest(work, () => true, signal);
}

/** Whether the other generation has an object as it is. */
async function appliedBefore(
  { api, other, workload }: SetWork,
  signal: AbortSignal,
): Promise<(object: KubernetesObject) => boolean> {
  const before = await placesOf(api, other, signal);
  const within = workload.namespace;
  return (object) => {
    const { apiVersion, kind, metadata } = object;
    const { name, namespace = within } = metadata;
    const previous = before.get(objectKey({ apiVersion, kind, namespace, name }));
    return previous !== undefined && sameObject(previous, object);
  };
}

async function applyFirst(work: SetWork, signal: AbortSignal): Promise<void> {
  const { namespaces, definitions } = phasesOf(work.set);
  await applyAll(work, namespaces, signal);
  await awaitReady(work, await applyAll(work, definitions, signal), signal);
  const began = performance.now();
  for (const { apiVersion, kind } of definedResources(definitions))
    while ((await work.api.resources.find(apiVersion, kind, signal)) === undefined) {
      if (signal.aborted) throw interrupted(signal);
      if (performance.now() - began >= SERVED_MS) return;
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
}

/** @param ran whether a Job that is gone ran before */
async function applyRest(
  work: SetWork,
  ran: (object: KubernetesObject) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { rest, webhooks } = phasesOf(work.set);
  const place = { api: work.api, within: work.workload.namespace };
  const isOfOperator = ({ object }: PlacedObject): boolean => isCustom(object, work.set.readyWhen);
  const applied = await applyAll(work, await withoutEnded(place, rest, ran, signal), signal);
  await awaitReady(
    work,
    applied.filter((each) => !isOfOperator(each)),
    signal,
  );
  await awaitReady(work, await applyAll(work, webhooks, signal), signal);
  // Their operators may need the webhooks.
  await awaitReady(work, applied.filter(isOfOperator), signal);
}

/** Applies objects in their order, those of one kind at once. @throws StowageError `engine-failed` */
export async function applyAll(
  work: Pick<SetWork, 'api' | 'workload' | 'set'>,
  objects: readonly KubernetesObject[],
  signal: AbortSignal,
): Promise<PlacedObject[]> {
  const { api } = work;
  const applied: PlacedObject[] = [];
  for (const group of byKind(objects)) {
    const placed = await placeEach(work, group, signal);
    await severalAtOnce(placed, async (each) => {
      const { failure } = await applyPatiently(api, each, signal);
      if (failure === undefined) return;
      if (conflictsOf(failure).length > 0) await requireOurs(work, each, signal);
      throw refusedRequest(`apply ${placedText(each.placed)}`, failure);
    });
    applied.push(...placed);
  }
  return applied;
}

/** Neighbours of one kind: nothing of a kind waits for another of it. */
export function byKind(objects: readonly KubernetesObject[]): KubernetesObject[][] {
  const groups: KubernetesObject[][] = [];
  for (const object of objects) {
    const last = groups.at(-1);
    if (last?.[0]?.kind === object.kind && last[0].apiVersion === object.apiVersion)
      last.push(object);
    else groups.push([object]);
  }
  return groups;
}

/**
 * Keeps every object that this change is about to replace and that the release did not have, before the first write, and takes
 * over those that may be.
 */
async function keepReplaced(work: SetWork, signal: AbortSignal): Promise<void> {
  const { api, workload, set, other, replaced } = work;
  const name = { release: workload.release, set: set.name };
  const change = setDigest(set);
  const own = await placesOf(api, other, signal);
  const placed = (await placeAll(api, set.objects, workload.namespace, signal)).filter(
    (each) => !own.has(placedKey(each.placed)),
  );
  const existing = (
    await severalAtOnce(placed, async (each): Promise<{ each: PlacedObject; found: Found }[]> => {
      const found = await api.get(each.placed, signal);
      return found === undefined ? [] : [{ each, found }];
    })
  ).flat();
  if (!(await replaced.hasBegun(name, change))) {
    const isForeign = ({ each: { object }, found }: (typeof existing)[number]): boolean =>
      !isOurs(found, workload, object);
    const foreign = existing.find(
      (one) => isForeign(one) && !(set.adopt === true && isAdoptable(one.found, one.each.object)),
    );
    if (foreign !== undefined) throw foreignObject(foreign.each.placed, foreign.found);
    // A definition that an earlier release left stays as it is after an undo.
    const kept = existing.filter((one) => isForeign(one) || isDefinition(one.each.object));
    await replaced.begin(
      name,
      change,
      kept.map(({ found }) => found),
    );
  }
  if (set.adopt !== true) return;
  await severalAtOnce(existing, ({ each: { placed, object }, found }) =>
    adopt(api, { placed, found, isForeign: !isOurs(found, workload, object) }, signal),
  );
}

/** A conflict with the owner of the whole object says more than one of a field. */
async function requireOurs(
  { api, workload }: Pick<SetWork, 'api' | 'workload'>,
  each: PlacedObject,
  signal: AbortSignal,
): Promise<void> {
  const found = await api.get(each.placed, signal);
  if (found !== undefined && !isOurs(found, workload, each.object))
    throw foreignObject(each.placed, found);
}
