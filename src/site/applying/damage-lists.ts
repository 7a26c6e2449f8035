import { damagedSpots } from '../../bundle/damaged-spots.ts';
import type { Digest } from '../../core/digest.ts';
import type { Bundle, BundleBlob } from '../../format/bundle.ts';
import type { NeededPart, RepairList } from '../../format/repair-list.ts';
import { HashPool } from '../../io/hashing.ts';
import { withLock } from '../../io/lock-file.ts';
import { PassError } from '../../io/positioned.ts';
import { currentGeneration } from '../generations.ts';
import { Staging } from '../importing/staging.ts';
import { type Release, releaseFolder } from '../release/release.ts';
import type { SiteContext } from '../site-context.ts';
import type { StoreState } from './verify-store.ts';

/**
 * Lists from which the connected side makes media that repair a site: of each stored file only the damaged parts, and
 * each file in one list. Changes nothing.
 * @throws StowageError `site-locked`, `io-failed`, `interrupted`
 */
export async function damageLists(
  { releases, bad, changedFiles }: StoreState,
  { site, signal }: SiteContext,
): Promise<RepairList[]> {
  return withLock(site.path('lock'), async () => {
    const pool = new HashPool(signal);
    try {
      const lists: RepairList[] = [];
      const open = new Set(bad.map(({ digest }) => digest));
      const hasChanges = ({ id }: Release): boolean =>
        changedFiles.some((path) => path.startsWith(`${releaseFolder(site, id)}/`));
      const count = ({ bundle }: Release): number => listed(bundle, open).length;
      const current = new Set((await currentGeneration(site)).releases.map((each) => each.bundle));
      const isCurrent = ({ id }: Release): boolean => current.has(id);
      // Those that are needed in any case first, then installed ones, then those that repair most.
      const order = releases.toSorted(
        (a, b) =>
          Number(hasChanges(b)) - Number(hasChanges(a)) ||
          Number(isCurrent(b)) - Number(isCurrent(a)) ||
          count(b) - count(a),
      );
      for (const release of order) {
        const blobs = listed(release.bundle, open);
        if (blobs.length === 0 && !hasChanges(release)) continue;
        for (const { digest } of blobs) open.delete(digest);
        lists.push(await listOf(release, blobs, { site, pool }));
      }
      return lists;
    } finally {
      await pool.close();
    }
  });
}

type Reading = Pick<SiteContext, 'site'> & { readonly pool: HashPool };

function listed({ blobs }: Bundle, wanted: ReadonlySet<Digest>): BundleBlob[] {
  return blobs.filter(({ digest }) => wanted.has(digest));
}

async function listOf(
  { id, bundle }: Release,
  blobs: readonly BundleBlob[],
  reading: Reading,
): Promise<RepairList> {
  const staging = await Staging.open(reading.site, id, bundle);
  const parts: NeededPart[] = [];
  for (const blob of blobs) {
    const needed = await neededParts(blob, staging, reading);
    // All parts are as signed, and yet the file is not: the next reading may find another damage.
    parts.push(...(needed.length > 0 ? needed : blob.parts.map((part) => neededPart(part))));
  }
  // Every medium of a bundle has its control files: the smallest part stands for them.
  const [smallest] = bundle.blobs.flatMap((blob) => blob.parts).toSorted((a, b) => a.size - b.size);
  if (parts.length === 0 && smallest !== undefined) parts.push(neededPart(smallest));
  const { name, version, partSize } = bundle;
  return { schema: 'stowage/repair-list/v1', name, version, bundle: id, partSize, parts };
}

async function neededParts(
  blob: BundleBlob,
  staging: Staging,
  { site, pool }: Reading,
): Promise<NeededPart[]> {
  const path = site.store.path(blob.digest);
  const isStored = (await site.store.size(blob.digest)) === blob.size;
  const needed: NeededPart[] = [];
  for (const part of blob.parts) {
    // An incomplete repair left the good parts in the staging folder.
    if (!isStored && staging.has(part)) continue;
    if (!isStored) needed.push(neededPart(part));
    else if (!(await isIntact(part, { path, size: blob.size, pool })))
      needed.push(neededPart(part, (await damagedSpots(path, part, part.offset)).ranges));
  }
  return needed;
}

function neededPart(
  { path, size, sha512 }: BundleBlob['parts'][number],
  damaged: NeededPart['damaged'] = [],
): NeededPart {
  return { path, size, sha512, damaged };
}

async function isIntact(
  { offset, size: length, sha512 }: BundleBlob['parts'][number],
  { path, size, pool }: { readonly path: string; readonly size: number; readonly pool: HashPool },
): Promise<boolean> {
  try {
    const task = { path, size, offset, pieces: [{ length }], hashes: ['sha512'] } as const;
    return (await pool.run(task)).pieces[0]?.sha512 === sha512;
  } catch (error) {
    if (error instanceof PassError) return false;
    throw error;
  }
}
