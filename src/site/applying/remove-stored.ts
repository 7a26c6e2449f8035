import { basename } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import type { Generation } from '../../format/plan.ts';
import { namesIn, remove } from '../../io/file.ts';
import { hopsFolder } from '../exporting/kept-hops.ts';
import { forgetGeneration } from '../generations.ts';
import { removeLayout } from '../release/layout.ts';
import { type RefusedRelease, type Release, releaseFolder } from '../release/release.ts';
import type { SiteContext } from '../site-context.ts';
import type { SiteFolder } from '../site-folder.ts';
import { forgetGenerations } from './forget-generations.ts';

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
