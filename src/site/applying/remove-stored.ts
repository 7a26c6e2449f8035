import { basename } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../../core/digest.ts';
import { messageOf } from '../../core/error.ts';
import type { DeployedRelease, Generation, Plan } from '../../format/plan.ts';
import type { Receipt } from '../../format/receipt.ts';
import { namesIn, remove } from '../../io/file.ts';
import { hopsFolder } from '../exporting/kept-hops.ts';
import { forgetGeneration, generationNumbers, loadGeneration } from '../generations.ts';
import { removeLayout } from '../release/layout.ts';
import { type RefusedRelease, type Release, releaseFolder } from '../release/release.ts';
import type { SiteContext, SiteFolder } from '../site-folder.ts';

/** Removes from the target what only the generations in `going` need. */
export async function forgetGenerations(
  going: readonly Generation[],
  staying: readonly Generation[],
  { target, signal }: Pick<SiteContext, 'target' | 'signal'>,
): Promise<void> {
  await target.forget(going, staying, signal);
  const secretsOf = (generations: readonly Generation[]): Map<string, DeployedRelease> =>
    new Map(
      generations.flatMap(({ releases }) =>
        releases.flatMap((each) => each.secrets.map(({ name }) => [name, each] as const)),
      ),
    );
  const kept = secretsOf(staying);
  for (const [name, release] of secretsOf(going))
    if (!kept.has(name)) await target.removeSecret({ release, name }, signal);
}

type ClearContext = Pick<SiteContext, 'site' | 'target' | 'signal'>;

/**
 * Removes from the target and from `layouts/` what the given generations left of releases that are not installed, in
 * whatever version. The store keeps their blobs, so a rollback places all of it again. Repeating it changes nothing.
 */
export async function clearUninstalled(
  current: Generation,
  generations: readonly Generation[],
  { site, target, signal }: ClearContext,
): Promise<void> {
  const installed = new Set(current.releases.map(({ name }) => name));
  const split = (stays: boolean): Generation[] =>
    generations
      .map((each) => {
        const has = ({ name }: DeployedRelease): boolean => installed.has(name) === stays;
        return { ...each, releases: each.releases.filter(has) };
      })
      .filter(({ releases }) => releases.length > 0);
  const going = split(false);
  if (going.length === 0) return;
  await forgetGenerations(going, [current, ...split(true)], { target, signal });
  const kept = new Set(current.releases.map(({ bundle }) => bundle));
  const ids = new Set(going.flatMap(({ releases }) => releases.map(({ bundle }) => bundle)));
  for (const id of ids) if (!kept.has(id)) await removeLayout(site, id);
}

/**
 * {@link clearUninstalled} after a plan that removed a release, or failed to install one. The steps of the plan know its two
 * generations only, and undo nothing that an earlier one may use. A failure is only a warning: `stowage gc` does the same.
 */
export async function clearLeftBehind(
  { intent, from, to }: Plan,
  outcome: Receipt['outcome'],
  { site, target, signal, emit }: SiteContext,
): Promise<void> {
  const current = outcome === 'kept' ? to : from;
  const installed = new Set(current.releases.map(({ name }) => name));
  if ([...from.releases, ...to.releases].every(({ name }) => installed.has(name))) return;
  // The steps of the plan removed these.
  const removed = outcome === 'kept' && intent === 'uninstall' ? from.releases : [];
  const isLeft = (release: DeployedRelease): boolean =>
    !removed.some((each) => isDeepStrictEqual(each, release));
  try {
    const generations = [from, to];
    for (const number of await generationNumbers(site))
      generations.push(await loadGeneration(site, number));
    const left = generations.map((each) => ({ ...each, releases: each.releases.filter(isLeft) }));
    await clearUninstalled(current, left, { site, target, signal });
  } catch (error) {
    emit({
      type: 'warning',
      message: `objects of a removed release are left: ${messageOf(error)}`,
      hint: 'fix the problem in this message, then run stowage gc',
    });
  }
}

export interface StoredBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** What a command removes from a site. */
export interface Leaving {
  readonly generations: readonly Generation[];
  readonly releases: readonly Release[];
  /** Releases whose documents cannot be used. */
  readonly refused: readonly Pick<RefusedRelease, 'folder'>[];
  readonly blobs: readonly StoredBlob[];
}

/**
 * Removes generations, releases with their layouts, and blobs. After a kill, repeating it removes the rest.
 * @param staying the generations that are kept
 */
export async function removeStored(
  { generations, releases, refused, blobs }: Leaving,
  staying: readonly Generation[],
  options: SiteContext,
): Promise<void> {
  const { site } = options;
  await forgetGenerations(generations, staying, options);
  for (const { id } of releases) {
    await removeLayout(site, id);
    await remove(hopsFolder(site, id));
    await remove(releaseFolder(site, id));
  }
  for (const { folder } of refused) {
    await remove(site.path('layouts', basename(folder)));
    await remove(folder);
  }
  for (const { digest } of blobs) await site.store.forget(digest);
  // Last: the next call needs them to find what is left in the engine.
  for (const { number } of generations) await forgetGeneration(site, number);
}

/**
 * The stored blobs that none of these releases lists.
 * @param incomplete whether incomplete imports are removed too; otherwise nothing is returned while there are any, because
 * their blobs cannot be distinguished from unused ones
 */
export async function unneededBlobs(
  site: SiteFolder,
  staying: readonly Release[],
  incomplete: boolean,
): Promise<StoredBlob[]> {
  const needed = new Set(staying.flatMap(({ bundle }) => bundle.blobs.map((each) => each.digest)));
  if (!incomplete && (await namesIn(site.path('staging'))).length > 0) return [];
  const blobs: StoredBlob[] = [];
  for await (const each of site.store.all()) if (!needed.has(each.digest)) blobs.push(each);
  return blobs;
}
