import { basename } from 'node:path';
import { readReceipt } from '../../bundle/receipt.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import type { Generation } from '../../format/plan.ts';
import { namesIn, remove } from '../../io/file.ts';
import { uselessCarRecords } from '../catalog/car-entry.ts';
import {
  currentGeneration,
  earlierGenerations,
  generationNumbers,
  loadGeneration,
} from '../generations.ts';
import { unfinishedImports } from '../importing/partial-import.ts';
import { consistentReleases } from '../release/consistent.ts';
import {
  contradicts,
  type RefusedRelease,
  type Release,
  refusedWarning,
  uniqueBlobs,
} from '../release/release.ts';
import type { SiteContext, SiteFolder } from '../site-folder.ts';
import { withSite } from './change.ts';
import { clearUninstalled, removeStored, unneededBlobs } from './remove-stored.ts';

/**
 * The bundles that receipts of this site promise to keep, by id, and until when, the latest moment. Receipts that cannot be
 * read promise nothing.
 * @throws StowageError `io-failed`
 */
export async function promisedBundles(
  site: SiteFolder,
  now: Date,
): Promise<ReadonlyMap<string, string>> {
  const promised = new Map<string, string>();
  const names = await namesIn(site.path('receipts'));
  for (const name of names.filter((each) => each.endsWith('-statement.json'))) {
    try {
      const { holds } = (await readReceipt(site.path('receipts', name))).receipt;
      const until = holds?.heldUntil ?? '';
      if (holds === undefined || !(Date.parse(until) > now.getTime())) continue;
      for (const { bundle } of holds.bundles)
        if (until > (promised.get(bundle) ?? '')) promised.set(bundle, until);
    } catch (error) {
      if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    }
  }
  return promised;
}

/** Why data stays at a site. */
export interface Holder {
  /** `name version` of a release, or the name of its folder if its index cannot be read. */
  readonly release: string;
  /** What keeps it. */
  readonly by: 'current' | 'rollback' | 'imported' | 'promised' | 'unreadable';
  /** The kept generations that contain it, ascending. */
  readonly generations: readonly number[];
  /** Until when a receipt promises to keep it; absent if it stays for another reason. */
  readonly until?: string;
  /** Bytes that no other release at this site needs. */
  readonly bytes: number;
}

/** The releases that stay at a site and what keeps each. Pure. */
export function holdersOf(
  {
    releases,
    unclear,
    promised,
  }: {
    readonly releases: readonly Release[];
    readonly unclear: readonly RefusedRelease[];
    /** By the id of a bundle, until when it is kept only because a receipt promises it. */
    readonly promised: ReadonlyMap<string, string>;
  },
  current: Generation,
  kept: readonly Generation[],
): Holder[] {
  const uses = new Map<Digest, number>();
  for (const { bundle } of releases)
    for (const { digest } of new Set(bundle.blobs)) uses.set(digest, (uses.get(digest) ?? 0) + 1);
  const readable = releases.map((release): Holder => {
    const { id, bundle } = release;
    const generations = kept
      .filter((each) => each.releases.some((one) => one.bundle === id))
      .map(({ number }) => number)
      .toSorted((a, b) => a - b);
    const until = promised.get(id);
    const by = generations.includes(current.number)
      ? 'current'
      : generations.length > 0
        ? 'rollback'
        : until === undefined
          ? 'imported'
          : 'promised';
    const bytes = [...uniqueBlobs([release]).keys()]
      .filter(({ digest }) => uses.get(digest) === 1)
      .reduce((sum, { size }) => sum + size, 0);
    return {
      release: `${bundle.name} ${bundle.version}`,
      by,
      generations,
      bytes,
      ...(by === 'promised' ? { until: until ?? '' } : {}),
    };
  });
  const unreadable = unclear.map(
    ({ name }): Holder => ({ release: name, by: 'unreadable', generations: [], bytes: 0 }),
  );
  return [...readable, ...unreadable];
}

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
  /** What stays, and why. */
  readonly held: readonly Holder[];
  /** Incomplete imports that stay. While there are any, every blob of the store stays. */
  readonly unfinished: readonly string[];
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
 * installed. So do releases that a receipt promises to keep. Those whose signed documents contradict each other never can, and are removed. After a kill, the next call
 * continues.
 */
export async function collect(options: CollectOptions): Promise<Collected> {
  const { site, now, emit, dryRun } = options;
  return withSite(options, async (ledger) => {
    const current = await currentGeneration(site);
    const { expired, kept } = await sortGenerations(current, ledger.entries, options);
    const { releases: staged, refused } = await consistentReleases(site);
    const needed = new Set(kept.flatMap((each) => each.releases).map((each) => each.bundle));
    const isUsed = ({ id, bundle }: Release): boolean =>
      needed.has(id) ||
      !current.releases.some((each) => each.name === bundle.name && each.seq >= bundle.seq);
    // Increments that are under way count on what a receipt promised.
    const promised = new Map(
      [...(await promisedBundles(site, now()))].filter(
        ([id]) => !staged.some((each) => each.id === id && isUsed(each)),
      ),
    );
    const isNeeded = (each: Release): boolean => isUsed(each) || promised.has(each.id);
    const leaving = staged.filter((each) => !isNeeded(each));
    const staying = staged.filter(isNeeded);
    const { useless, unclear } = sortRefused(refused, needed);
    for (const each of unclear) emit(refusedWarning(each));
    const started = await unfinishedImports(site);
    const unfinished = options.incomplete ? started : [];
    // The blobs of a release that cannot be read are unknown: all are kept until it is repaired or removed.
    const blobs = unclear.length > 0 ? [] : await unneededBlobs(site, staying, options.incomplete);
    const collected: Collected = {
      generations: expired.map((each) => each.number),
      releases: [
        ...leaving.map(({ bundle }) => `${bundle.name} ${bundle.version}`),
        ...useless.map(({ name }) => name),
      ],
      incomplete: unfinished.map(({ name }) => name),
      blobs: blobs.length,
      bytes: [...blobs, ...unfinished].reduce((sum, each) => sum + each.size, 0),
      held: holdersOf({ releases: staying, unclear, promised }, current, kept),
      unfinished: options.incomplete ? [] : started.map(({ name }) => name),
    };
    const nothing = [expired, leaving, useless, unfinished, blobs].every(
      ({ length }) => length === 0,
    );
    if (dryRun) return collected;
    if (unclear.length === 0)
      for (const path of await uselessCarRecords(site, staying)) await remove(path);
    await clearUninstalled(current, kept, options);
    if (nothing) return collected;
    for (const { folder } of unfinished) await remove(folder);
    const going = { generations: expired, releases: leaving, refused: useless, blobs };
    await removeStored(going, kept, options);
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
