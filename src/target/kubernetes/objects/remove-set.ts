import { StowageError } from '../../../core/error.ts';
import { fieldsOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import { removeAndWait } from '../api/await-gone.ts';
import { type Found, required } from '../api/cluster.ts';
import { conflictsOf, failureText, isForbidden, refusedRequest } from '../api/failure.ts';
import { apiGroup, definedResources, foundKey, placedKey, placedText } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import { annotations, labels } from '../labels.ts';
import { ownerOf } from '../namespace.ts';
import { adopt, isAdopted } from './adopt.ts';
import { applyPatiently } from './apply-patiently.ts';
import { byKind, type SetWork } from './apply-set.ts';
import { awaitReady } from './await-ready.ts';
import { goesWhenEnded } from './ended-jobs.ts';
import { isHalfRestored, restoreOriginal } from './restore-original.ts';
import { hooksOf, lastingHooks, runHooks } from './set-hooks.ts';
import { isOurs } from './set-owner.ts';
import {
  everyObject,
  inInstallOrder,
  isDefinition,
  isKept,
  isNamespace,
  keptNamespaces,
  type PlacedObject,
  placeAll,
  placesOf,
  sameObject,
  setDigest,
  setOf,
} from './sets.ts';
import { leaveVersions } from './stored-versions.ts';

/** How long a restored set is waited for: the undo is complete without it. */
const RESTORED_MS = 300_000;

/**
 * Undoes {@link applySet}: objects of the other generation are restored to its state, adopted objects to their original one, and
 * what the change created is removed, including definitions without objects.
 */
export async function undoSet(work: SetWork, signal: AbortSignal): Promise<void> {
  const { workload, set, other, api, replaced } = work;
  const change = setDigest(set);
  const name = { release: workload.release, set: set.name };
  const before = await placesOf(api, other, signal);
  // A change that has not begun made nothing, and neither did one that was undone before: what is there is older.
  if (await replaced.hasBegun(name, change))
    await removeObjects(work, {
      ...{ signal, kept: before, replacedBy: change },
      objects: everyObject(set),
      definitions: true,
    });
  const shared = (await placeAll(api, everyObject(set), workload.namespace, signal)).flatMap(
    ({ placed, object }) => {
      const previous = before.get(placedKey(placed));
      return previous === undefined ? [] : [{ placed, object: previous, applied: object }];
    },
  );
  const same = setOf(other, set.name);
  const hooks = new Set(same === undefined ? [] : (same.hooks ?? []).map(({ object }) => object));
  const lasting = new Set(same === undefined ? [] : lastingHooks(same));
  const restored = new Map(
    shared
      .filter(({ object }) => !hooks.has(object) || lasting.has(object))
      .map((each) => [each.object, each]),
  );
  for (const group of byKind(inInstallOrder([...restored.keys()])))
    await severalAtOnce(group, async (object) => {
      const each = restored.get(object);
      if (each !== undefined) await restore(work, each, signal);
    });
  await replaced.forget(name, (each) => before.has(foundKey(each)), change);
}

/**
 * Makes a set what its generation has: after a newer one was applied, or after it was removed. Then waits a while until it is
 * ready.
 */
export async function restoreSet(work: SetWork, signal: AbortSignal): Promise<void> {
  const { api, workload, set, other } = work;
  const newer = setOf(other, set.name);
  if (newer !== undefined && other !== undefined)
    await undoSet({ ...work, workload: other, set: newer, other: workload }, signal);
  // What was not ready before need not get ready now.
  const warned = (error: unknown): void => {
    if (!(error instanceof StowageError) || error.code !== 'gate-failed') throw error;
    work.warn(
      `${set.name} was restored, but is not ready: ${error.message}`,
      error.hint ?? 'kubectl describe shows more of the object',
    );
  };
  const restored: PlacedObject[] = [];
  for (const group of byKind(inInstallOrder([...set.objects, ...lastingHooks(set)]))) {
    const placed = await placeAll(api, group, workload.namespace, signal);
    await severalAtOnce(placed, async (each) => {
      await adoptAgain(work, each, signal);
      const applied = newer === undefined ? undefined : each.object;
      await restore(work, { ...each, applied }, signal);
    });
    // A Job that ended and is gone is not made again.
    const awaited = placed.filter(({ object }) => !goesWhenEnded(object));
    restored.push(...awaited);
    if (group.some(isDefinition))
      await awaitReady(work, awaited, signal, RESTORED_MS).catch(warned);
  }
  await awaitReady(work, restored, signal, RESTORED_MS).catch(warned);
}

/** What an uninstall gave back before it was undone. */
async function adoptAgain(
  { api, set, workload }: SetWork,
  { placed, object }: PlacedObject,
  signal: AbortSignal,
): Promise<void> {
  if (set.adopt !== true) return;
  const found = await api.get(placed, signal);
  if (found !== undefined && !isOurs(found, workload, object))
    await adopt(api, { placed, found, isForeign: true }, signal);
}

/**
 * Removes a set whose release is uninstalled, with its hooks: the objects of its definitions first, while their operators run.
 * Definitions stay.
 */
export async function uninstallSet(work: SetWork, signal: AbortSignal): Promise<void> {
  const { api, set, other } = work;
  await runHooks(work, 'pre-delete', signal);
  const kept = await placesOf(api, other, signal);
  const last = new Set(hooksOf(set, 'post-delete').map(({ object }) => object));
  const all = everyObject(set);
  const objects = all.filter((each) => !last.has(each) && !isNamespace(each));
  await removeObjects(work, { signal, kept, objects });
  await runHooks(work, 'post-delete', signal);
  await removeObjects(work, { signal, kept, objects: [...last] });
  await removeObjects(work, { signal, kept, objects: all.filter(isNamespace) });
  // The uninstall of a whole release can be undone.
  if (other !== undefined) await forgetRestored(work, kept);
}

/** Removes what a set has and the other generation does not. Definitions stay. */
export async function pruneSet(work: SetWork, signal: AbortSignal): Promise<void> {
  const kept = await placesOf(work.api, work.other, signal);
  await removeObjects(work, { signal, kept, objects: everyObject(work.set) });
  await forgetRestored(work, kept);
}

function forgetRestored(
  { replaced, workload, set }: SetWork,
  kept: ReadonlyMap<string, KubernetesObject>,
): Promise<void> {
  const name = { release: workload.release, set: set.name };
  return replaced.forget(name, (each) => kept.has(foundKey(each)));
}

interface Removal {
  readonly signal: AbortSignal;
  readonly objects: readonly KubernetesObject[];
  /** Objects of the other generation, by their places. */
  readonly kept: ReadonlyMap<string, KubernetesObject>;
  /** The change whose adopted objects are restored; every change if absent. */
  readonly replacedBy?: string;
  /** Whether definitions of this site without objects are removed too. */
  readonly definitions?: true;
}

async function removeObjects(work: SetWork, removal: Removal): Promise<void> {
  const { api, workload, set, replaced } = work;
  const { objects, kept, replacedBy, signal, definitions } = removal;
  const name = { release: workload.release, set: set.name };
  const previous = await previousObjects(work, await replaced.found(name, replacedBy), signal);
  // An undo leaves nothing of a change; an uninstall leaves what the chart says.
  const isUndo = definitions !== undefined;
  const full = isUndo ? new Set() : await keptNamespaces(api, workload, signal);
  const stays = (each: KubernetesObject): boolean =>
    !isUndo && (isKept(each) || (isNamespace(each) && full.has(each.metadata.name)));
  const groups = groupsOf(inInstallOrder(objects).toReversed(), work);
  for (const group of groups) {
    const placed = (await placeAll(api, group, workload.namespace, signal)).filter(
      (each) => !kept.has(placedKey(each.placed)),
    );
    await severalAtOnce(placed, async (each) => {
      const before = previous.get(placedKey(each.placed));
      const found = await api.get(each.placed, signal);
      if (found !== undefined && !isOurs(found, workload, each.object)) {
        if (before !== undefined && (isHalfRestored(found, before) || isHalfAdopted(found)))
          await restoreOriginal(work, { placed: each.placed, before }, signal);
        return;
      }
      if (before === undefined && found !== undefined && isAdopted(found))
        throw unknownBefore(each.placed);
      if (before !== undefined) {
        // What this site left behind is not restored, but stays.
        const left = isDefinition(each.object) && !isUndo;
        if (!(left && ownerOf(before) === workload.site))
          await restoreOriginal(work, { placed: each.placed, before }, signal);
      } else if (found === undefined || stays(each.object)) return;
      else if (!isDefinition(each.object)) await removeAndWait(api, each.placed, signal);
      else if (definitions === true && !(await hasObjects(work, found, signal)))
        await removeDefinition(work, each.placed, signal);
    });
  }
}

/** Whether a change was interrupted when it had marked an object as adopted and not applied its own yet. */
function isHalfAdopted(found: Found): boolean {
  return isAdopted(found) && ownerOf(found) === undefined;
}

/** The record of the original object is lost: the adopted one is neither deleted nor treated as restored. */
function unknownBefore(placed: PlacedObject['placed']): StowageError {
  return new StowageError('state-damaged', `${placedText(placed)} cannot be restored`, {
    expected: 'the object as it was before it was adopted, in replaced-objects.json',
    found: 'no such object there',
    hint: `restore replaced-objects.json of the site folder from its backup; without one, remove label ${labels.site} and annotation ${annotations.adopted} from the object with kubectl: it then stays as it is`,
  });
}

/** An account that may not delete definitions leaves one without objects behind. */
async function removeDefinition(
  { api, warn }: SetWork,
  placed: PlacedObject['placed'],
  signal: AbortSignal,
): Promise<void> {
  try {
    await removeAndWait(api, placed, signal);
  } catch (error) {
    if (!isForbidden(error)) throw error;
    warn(
      `${placedText(placed)} stays: the account may not delete definitions`,
      'the cluster has no object of it; ask the owner of the cluster to delete it',
    );
  }
}

/** What may be removed at once: custom resources while their operators run, then webhooks, then the rest one kind at a time. */
function groupsOf(
  objects: readonly KubernetesObject[],
  { set }: SetWork,
): (readonly KubernetesObject[])[] {
  const defined = new Set(
    definedResources(set.objects.filter(isDefinition)).map(
      ({ apiVersion, kind }) => `${apiGroup(apiVersion)} ${kind}`,
    ),
  );
  const isCustom = ({ apiVersion, kind }: KubernetesObject): boolean =>
    defined.has(`${apiGroup(apiVersion)} ${kind}`);
  const groups: KubernetesObject[][] = [objects.filter(isCustom)];
  for (const object of objects.filter((each) => !isCustom(each))) {
    const last = groups.at(-1);
    if (groups.length > 1 && last?.[0]?.kind === object.kind) last.push(object);
    else groups.push([object]);
  }
  return groups;
}

async function previousObjects(
  { api, workload }: SetWork,
  found: readonly Found[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Found>> {
  const objects = found as readonly Found[] as readonly KubernetesObject[];
  const placed = await placeAll(api, objects, workload.namespace, signal);
  // The first is the oldest.
  return new Map(placed.toReversed().map((each) => [placedKey(each.placed), each.object as Found]));
}

/** Whether the cluster has an object of a definition. */
async function hasObjects(
  { api }: SetWork,
  definition: Found,
  signal: AbortSignal,
): Promise<boolean> {
  const [resource] = definedResources([definition]);
  if (resource === undefined) return false;
  try {
    for await (const _ of api.list(resource, { limit: 1 }, signal)) return true;
    return false;
  } catch (error) {
    // Objects that cannot be counted may exist.
    if (error instanceof StowageError && error.code === 'engine-failed') return true;
    throw error;
  }
}

/** Applies what a generation has; a write that changes nothing is not worth a refusal. */
async function restore(
  { api, warn }: Pick<SetWork, 'api' | 'warn'>,
  { placed, object, applied }: PlacedObject & { readonly applied: KubernetesObject | undefined },
  signal: AbortSignal,
): Promise<void> {
  const found = await api.get(placed, signal);
  if (found !== undefined && applied !== undefined && sameObject(applied, object)) return;
  if (found === undefined && goesWhenEnded(object)) return;
  if (isDefinition(object) && found !== undefined)
    await leaveVersions(
      { api, write: (moved) => api.apply(placed, moved, signal) },
      { placed, object, found },
      signal,
    );
  const { failure } = await applyPatiently(api, { placed, object }, signal);
  if (failure === undefined) return;
  // A fixed field of the newer object differs: it is made again as it was.
  if (failure.status === 422 && conflictsOf(failure).length === 0 && found !== undefined) {
    if (isDefinition(object)) throw refusedRequest(`apply ${placedText(placed)}`, failure);
    if (hasContent(object, found)) {
      warn(
        `${placedText(placed)} stays as the newer version left it: ${failureText(failure)}`,
        'Stowage never deletes claims, volumes and what deletes them with it, because their content would be lost; the object can be used as it is, or changed with kubectl',
      );
      return;
    }
    await removeAndWait(api, placed, signal);
    required(await applyPatiently(api, { placed, object }, signal), `apply ${placedText(placed)}`);
    return;
  }
  throw refusedRequest(`apply ${placedText(placed)}`, failure);
}

/** Whether content is lost with an object: its own, or that of the claims which its controller deletes with it. */
function hasContent({ apiVersion, kind }: KubernetesObject, found: Found): boolean {
  const { whenDeleted } = fieldsOf(fieldsOf(found['spec'])['persistentVolumeClaimRetentionPolicy']);
  if (apiGroup(apiVersion) === 'apps' && kind === 'StatefulSet') return whenDeleted === 'Delete';
  const kinds = ['Namespace', 'PersistentVolume', 'PersistentVolumeClaim'];
  return apiVersion === 'v1' && kinds.includes(kind);
}
