import type { Generation } from '../../format/generation.ts';
import { namesIn, remove } from '../../io/file.ts';
import {
  currentGeneration,
  forgetGeneration,
  generationNumbers,
  loadGeneration,
} from '../generations.ts';
import { unfinishedImports } from '../importing/partial-import.ts';
import { type Release, stagedReleases } from '../release/release.ts';
import type { SiteContext } from '../site-context.ts';
import type { SiteFolder } from '../site-folder.ts';
import { withSite } from './change.ts';

/** What is, or would be, removed. */
export interface Collected {
  /** Numbers, ascending. */
  readonly generations: readonly number[];
  /** `name version`, of releases whose files leave. */
  readonly releases: readonly string[];
  /** What of bundles that never became whole is removed: `name version`, or the beginning of an id. */
  readonly incomplete: readonly string[];
  readonly blobs: number;
  readonly bytes: number;
}

export interface CollectOptions extends SiteContext {
  /** How many generations before the current one stay, for rollbacks. */
  readonly keep: number;
  /** Whether what came of bundles of which something is missing goes, too; else nothing that they brought does. */
  readonly incomplete: boolean;
  /** Whether to tell only. */
  readonly dryRun: boolean;
}

/**
 * Removes what no rollback needs: generations before the last few, releases that none of the rest runs, what engine
 * and store hold for them. A release that came in since the current generation was applied stays: it waits to be
 * installed. Killed at any point, the next call ends it.
 */
export async function collect(options: CollectOptions): Promise<Collected> {
  const { site, now, dryRun } = options;
  return withSite(options, async (ledger) => {
    const current = await currentGeneration(site);
    const { doomed, kept } = await sortGenerations(current, options);
    const staged = await stagedReleases(site);
    const needed = new Set(kept.flatMap((each) => each.releases).map((each) => each.bundle));
    const waits = ({ id, bundle }: Release): boolean =>
      needed.has(id) ||
      !current.releases.some((each) => each.name === bundle.name && each.seq >= bundle.seq);
    const leaving = staged.filter((each) => !waits(each));
    const staying = staged.filter(waits);
    const unfinished = options.incomplete ? await unfinishedImports(site) : [];
    const blobs = await unneeded(site, staying, options);
    const collected: Collected = {
      generations: doomed.map((each) => each.number),
      releases: leaving.map(({ bundle }) => `${bundle.name} ${bundle.version}`),
      incomplete: unfinished.map(({ name }) => name),
      blobs: blobs.length,
      bytes: [...blobs, ...unfinished].reduce((sum, each) => sum + each.size, 0),
    };
    const nothing = [doomed, leaving, unfinished, blobs].every(({ length }) => length === 0);
    if (dryRun || nothing) return collected;
    for (const { folder } of unfinished) await remove(folder);
    await forgetGenerations(doomed, kept, options);
    for (const { id } of leaving) {
      await remove(site.path('layouts', id.slice(0, 32)));
      await remove(site.path('releases', id.slice(0, 32)));
    }
    for (const { digest } of blobs) await site.store.forget(digest);
    // Last: until then the next call knows from them what the engine still holds.
    for (const { number } of doomed) await forgetGeneration(site, number);
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

async function sortGenerations(
  current: Generation,
  { site, keep }: CollectOptions,
): Promise<{ doomed: Generation[]; kept: Generation[] }> {
  const doomed: Generation[] = [];
  const kept: Generation[] = [current];
  const others = (await generationNumbers(site)).filter((each) => each !== current.number);
  const spared = new Set(
    keep === 0 ? [] : others.filter((each) => each < current.number).slice(-keep),
  );
  for (const number of others)
    (spared.has(number) ? kept : doomed).push(await loadGeneration(site, number));
  return { doomed, kept };
}

/** Removes from the target what only generations that go need. */
export async function forgetGenerations(
  going: readonly Generation[],
  staying: readonly Generation[],
  { target, signal }: Pick<SiteContext, 'target' | 'signal'>,
): Promise<void> {
  await target.forget(going, staying, signal);
  const secretsOf = (generations: readonly Generation[]): string[] =>
    generations.flatMap(({ releases }) =>
      releases.flatMap(({ secrets }) => secrets.map(({ name }) => name)),
    );
  const kept = new Set(secretsOf(staying));
  for (const name of new Set(secretsOf(going)))
    if (!kept.has(name)) await target.removeSecret(name, signal);
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
  // What a bundle of which discs are missing has brought so far is not to be told from waste.
  if (!incomplete && (await namesIn(site.path('staging'))).length > 0) return [];
  const blobs: Blob[] = [];
  for await (const each of site.store.all()) if (!needed.has(each.digest)) blobs.push(each);
  return blobs;
}
