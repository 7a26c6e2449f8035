import { basename } from 'node:path';
import type { Generation } from '../../format/generation.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import { namesIn, remove } from '../../io/file.ts';
import { uselessCarRecords } from '../catalog/car-entry.ts';
import {
  currentGeneration,
  earlierGenerations,
  forgetGeneration,
  generationNumbers,
  loadGeneration,
} from '../generations.ts';
import { unfinishedImports } from '../importing/partial-import.ts';
import { consistentReleases } from '../release/consistent.ts';
import { removeLayout } from '../release/layout.ts';
import {
  contradicts,
  type RefusedRelease,
  type Release,
  refusedWarning,
} from '../release/release.ts';
import type { SiteContext } from '../site-context.ts';
import type { SiteFolder } from '../site-folder.ts';
import { withSite } from './change.ts';
import { forgetGenerations } from './forget-generations.ts';

/** What was removed or, in a dry run, would be. */
export interface Collected {
  /** Numbers, ascending. */
  readonly generations: readonly number[];
  /** `name version` of removed releases. */
  readonly releases: readonly string[];
  /** `name version`, or the beginning of an id, of each removed incomplete import. */
  readonly incomplete: readonly string[];
  readonly blobs: number;
  readonly bytes: number;
}

export interface CollectOptions extends SiteContext {
  /** How many of {@link earlierGenerations} to keep for rollbacks. */
  readonly keep: number;
  /** Whether to remove incomplete imports; otherwise their blobs are kept. */
  readonly incomplete: boolean;
  /** Whether to only report. */
  readonly dryRun: boolean;
}

/**
 * Removes what no rollback needs: all generations but the last few, releases that no other generation uses, their objects
 * in engine and store, and what the depot calculated for them. Releases imported after the current generation was applied stay: they can still be
 * installed; those whose signed documents contradict each other never can, and are removed. After a kill, the next call
 * continues.
 */
export async function collect(options: CollectOptions): Promise<Collected> {
  const { site, now, emit, dryRun } = options;
  return withSite(options, async (ledger) => {
    const current = await currentGeneration(site);
    const { expired, kept } = await sortGenerations(current, ledger.entries, options);
    const { releases: staged, refused } = await consistentReleases(site);
    const needed = new Set(kept.flatMap((each) => each.releases).map((each) => each.bundle));
    const isNeeded = ({ id, bundle }: Release): boolean =>
      needed.has(id) ||
      !current.releases.some((each) => each.name === bundle.name && each.seq >= bundle.seq);
    const leaving = staged.filter((each) => !isNeeded(each));
    const staying = staged.filter(isNeeded);
    const { useless, unclear } = sortRefused(refused, needed);
    for (const each of unclear) emit(refusedWarning(each));
    const unfinished = options.incomplete ? await unfinishedImports(site) : [];
    // The blobs of a release that cannot be read are unknown: all are kept until it is repaired or removed.
    const blobs = unclear.length > 0 ? [] : await unneeded(site, staying, options);
    const collected: Collected = {
      generations: expired.map((each) => each.number),
      releases: [
        ...leaving.map(({ bundle }) => `${bundle.name} ${bundle.version}`),
        ...useless.map(({ name }) => name),
      ],
      incomplete: unfinished.map(({ name }) => name),
      blobs: blobs.length,
      bytes: [...blobs, ...unfinished].reduce((sum, each) => sum + each.size, 0),
    };
    const nothing = [expired, leaving, useless, unfinished, blobs].every(
      ({ length }) => length === 0,
    );
    if (dryRun) return collected;
    if (unclear.length === 0)
      for (const path of await uselessCarRecords(site, staying)) await remove(path);
    if (nothing) return collected;
    for (const { folder } of unfinished) await remove(folder);
    await forgetGenerations(expired, kept, options);
    for (const { id } of leaving) {
      await removeLayout(site, id);
      await remove(site.path('releases', id.slice(0, 32)));
    }
    for (const { folder } of useless) {
      await remove(site.path('layouts', basename(folder)));
      await remove(folder);
    }
    for (const { digest } of blobs) await site.store.forget(digest);
    // Last: the next call needs them to find what is left in the engine.
    for (const { number } of expired) await forgetGeneration(site, number);
    const { generations, bytes } = collected;
    const event = {
      kind: 'collected',
      generations: generations.length,
      blobs: blobs.length,
      bytes,
      ...(unfinished.length === 0 ? {} : { incomplete: unfinished.length }),
    } as const;
    await ledger.append(event, now());
    return collected;
  });
}

/** Which of the releases that cannot be used are removed, and which may be needed or repaired. */
function sortRefused(
  refused: readonly RefusedRelease[],
  needed: ReadonlySet<string>,
): { useless: RefusedRelease[]; unclear: RefusedRelease[] } {
  const inUse = new Set([...needed].map((id) => id.slice(0, 32)));
  const isUseless = ({ folder, error }: RefusedRelease): boolean =>
    contradicts(error) && !inUse.has(basename(folder));
  return {
    useless: refused.filter(isUseless),
    unclear: refused.filter((each) => !isUseless(each)),
  };
}

async function sortGenerations(
  current: Generation,
  entries: readonly LedgerEntry[],
  { site, keep }: CollectOptions,
): Promise<{ expired: Generation[]; kept: Generation[] }> {
  const expired: Generation[] = [];
  const kept: Generation[] = [current];
  const all = await generationNumbers(site);
  const others = all.filter((each) => each !== current.number);
  const recent = new Set(earlierGenerations(current.number, all, entries).slice(0, keep));
  for (const number of others)
    (recent.has(number) ? kept : expired).push(await loadGeneration(site, number));
  return { expired, kept };
}

type Blob = {
  readonly digest: Parameters<SiteFolder['store']['forget']>[0];
  readonly size: number;
};

async function unneeded(
  site: SiteFolder,
  staying: readonly Release[],
  { incomplete }: CollectOptions,
): Promise<Blob[]> {
  const needed = new Set(staying.flatMap(({ bundle }) => bundle.blobs.map((each) => each.digest)));
  // Blobs of an incomplete import cannot be distinguished from unused ones.
  if (!incomplete && (await namesIn(site.path('staging'))).length > 0) return [];
  const blobs: Blob[] = [];
  for await (const each of site.store.all()) if (!needed.has(each.digest)) blobs.push(each);
  return blobs;
}
