import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import { MAX_RECEIPT_BUNDLES } from '../../core/limits.ts';
import type { Generation } from '../../format/plan.ts';
import type { HeldBundle, Holdings } from '../../format/receipt.ts';
import { statusOf } from '../../io/file.ts';
import { freeBytes } from '../../io/folder.ts';
import { loadGeneration } from '../generations.ts';
import { listReleases, type Release, releaseFolder } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { knownDamage } from '../store-damage.ts';

/** What is known of a site when its holdings are listed. */
export interface HoldingsInput {
  readonly running: Generation;
  /** The numbers of all kept generations. */
  readonly generations: readonly number[];
  /** The size of each blob in the store, in bytes. */
  readonly sizes: ReadonlyMap<Digest, number>;
  /** Until when `gc` keeps the listed bundles; absent for no promise. */
  readonly heldUntil?: string;
}

const RANK: Readonly<Record<HeldBundle['use'], number>> = { running: 0, kept: 1, imported: 2 };

/**
 * The bundles of which a site stores every blob, and its installers. A bundle is left out if one of its blobs is missing, or
 * was damaged when the store was last verified.
 * @throws StowageError `state-damaged`, `io-failed`
 */
export async function holdingsOf(
  site: SiteFolder,
  { running, generations, sizes, heldUntil }: HoldingsInput,
): Promise<Holdings> {
  const { releases } = await listReleases(site);
  const damaged = new Set((await knownDamage(site))?.files.map(({ path }) => path));
  const isWhole = ({ bundle }: Release): boolean =>
    bundle.blobs.every(
      ({ digest, size }) => sizes.get(digest) === size && !damaged.has(site.store.path(digest)),
    );
  const kept = new Set<string>();
  for (const number of generations)
    for (const { bundle } of (await loadGeneration(site, number)).releases) kept.add(bundle);
  const runs = new Set(running.releases.map(({ bundle }) => bundle));
  const useOf = (id: string): HeldBundle['use'] => {
    if (runs.has(id)) return 'running';
    return kept.has(id) ? 'kept' : 'imported';
  };
  const whole = releases
    .filter(isWhole)
    .map(({ id, bundle: { name, version, seq } }) => ({
      ...{ name, version, seq, bundle: id, use: useOf(id) },
    }))
    .toSorted((a, b) => RANK[a.use] - RANK[b.use] || b.seq - a.seq);
  const unlisted = whole.length - MAX_RECEIPT_BUNDLES;
  return {
    bundles: whole.slice(0, MAX_RECEIPT_BUNDLES),
    ...(unlisted > 0 ? { unlisted } : {}),
    installers: await installersOf(site, releases),
    free: await freeBytes(site.root),
    ...(heldUntil === undefined ? {} : { heldUntil }),
  };
}

/** The installers that the releases of a site have in its folder, each once. */
async function installersOf(
  site: SiteFolder,
  releases: readonly Release[],
): Promise<Holdings['installers']> {
  const found = new Map<string, Holdings['installers'][number]>();
  for (const { id, bundle } of releases.toReversed()) {
    for (const { platform, path, size, sha512 } of bundle.installers ?? []) {
      if (found.has(sha512) || found.size >= MAX_RECEIPT_BUNDLES) continue;
      const status = await statusOf(join(releaseFolder(site, id), path));
      if (status?.isFile() === true && Number(status.size) === size)
        found.set(sha512, { platform, sha512 });
    }
  }
  return [...found.values()];
}
