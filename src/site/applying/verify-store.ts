import { join } from 'node:path';
import { admit } from '../../bundle/admission/admit.ts';
import { requireTrust } from '../../bundle/admission/trust-files.ts';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { damagedSpots } from '../../bundle/damaged-spots.ts';
import { findDiscs } from '../../bundle/discs.ts';
import { Tally } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Bundle, BundleBlob } from '../../format/bundle.ts';
import type { NeededPart, RepairList } from '../../format/repair-list.ts';
import { HashPool } from '../../io/hashing.ts';
import { withLock } from '../../io/lock-file.ts';
import { PassError } from '../../io/positioned.ts';
import { verifyFile } from '../../io/verify-blob.ts';
import { currentGeneration } from '../generations.ts';
import { partsToRepair } from '../importing/parts-to-import.ts';
import { repairBlobs } from '../importing/repair-blobs.ts';
import { stage } from '../importing/stage.ts';
import { Staging } from '../importing/staging.ts';
import { type BadBlob, findBadBlobs } from '../release/intact.ts';
import { changedPlaces, replaceChanged } from '../release/layout.ts';
import {
  listReleases,
  type RefusedRelease,
  type Release,
  releaseFolder,
  uniqueBlobs,
} from '../release/release.ts';
import type { SiteContext, SiteFolder } from '../site-folder.ts';
import { type FoundFile, recordDamage } from '../store-damage.ts';
import { withSite } from './change.ts';

/** The state of everything that a site keeps of its releases. */
export interface StoreState {
  readonly releases: readonly Release[];
  /** Blobs that were hashed. */
  readonly checked: number;
  readonly bad: readonly BadBlob[];
  /** Control files and installers that are not as signed, absolute paths. */
  readonly changedFiles: readonly string[];
  /** Placed files that are not the stored ones, absolute paths. */
  readonly changedPlaces: readonly string[];
  readonly refused: readonly RefusedRelease[];
}

/** Whether everything is as it was signed. */
export function isIntact({
  bad,
  changedFiles,
  changedPlaces: places,
  refused,
}: StoreState): boolean {
  return [bad, changedFiles, places, refused].every(({ length }) => length === 0);
}

/**
 * Hashes every blob of the releases at a site, and compares their control files, installers and placed files with what
 * was signed. Changes nothing but the list of damaged files, which `status` shows.
 * @throws StowageError `site-locked`, `io-failed`, `interrupted`
 */
export async function verifyStore(options: SiteContext): Promise<StoreState> {
  const { site } = options;
  return withLock(site.path('lock'), async () => {
    const state = await examine(options);
    await recordDamage(site, damagedFiles(state), options.now());
    return state;
  });
}

/** Every file that is not as it was signed. */
function damagedFiles({
  bad,
  changedFiles,
  changedPlaces: places,
  refused,
}: StoreState): FoundFile[] {
  const damaged = 'damaged' as const;
  return [
    ...bad.map(({ path, what, release, verdict }) => ({ path, what, release, verdict })),
    ...changedFiles.map((path) => ({ path, what: 'a control file', verdict: damaged })),
    ...places.map((path) => ({ path, what: 'a file that services read', verdict: damaged })),
    ...refused.map(({ folder, name, error }) => ({
      ...{ path: folder, what: `the release: ${error.message}`, verdict: damaged },
      ...(name === '' ? {} : { release: name }),
    })),
  ];
}

/** A repair, and the bundle whose media were given. */
export interface StoreRepair {
  readonly before: StoreState;
  readonly after: StoreState;
  readonly medium: Release;
  /** How many of the damaged blobs the media have in full. */
  readonly contains: number;
}

/**
 * {@link verifyStore}, and repairs what is damaged from the media of a bundle, also if they have only some of it. The
 * media are verified like those of an import, except for age and sequence. Of a bundle that was not imported only the
 * damaged blobs are used.
 * @param places folders of one bundle, or of its discs
 * @throws StowageError what admission and staging throw; `release-unknown` for a bundle that was not imported and contains
 * nothing that is damaged
 */
export async function repairStore(
  places: readonly string[],
  options: SiteContext,
): Promise<StoreRepair> {
  const { site, emit } = options;
  return withSite(options, async () => {
    const before = await examine(options);
    const trust = requireTrust(await site.trust());
    const admitted = await admit(await findDiscs(places), { ...options, trust, partial: true });
    const { id, bundle } = admitted;
    const folders = [
      ...before.releases.map((each) => releaseFolder(site, each.id)),
      ...before.refused.map(({ folder }) => folder),
    ];
    const medium = { id, bundle };
    const bad = new Set(before.bad.map(({ digest }) => digest));
    const blobs = bundle.blobs.filter(({ digest }) => bad.has(digest));
    const isImported = folders.includes(releaseFolder(site, id));
    if (!isImported && blobs.length === 0) throw useless(medium, before);
    // What a disk changed has its old mark: it is hashed again where it is staged.
    for (const { digest } of before.bad) await site.store.unnote(digest);
    if (isImported) await stageRepair(admitted, options);
    else await repairBlobs(blobs, { ...options, admitted });
    for (const release of (await listReleases(site)).releases) {
      await replaceChanged(site, release, emit);
    }
    const after = await examine(options, before);
    await recordDamage(site, damagedFiles(after), options.now());
    const onMedia = new Set(admitted.discs.flatMap(({ files }) => [...files.keys()]));
    const contained = blobs.filter(({ parts }) =>
      parts.every(({ path: each }) => onMedia.has(each)),
    );
    return { before, after, medium, contains: contained.length };
  });
}

/** Stages what the site is to have of the bundle: a repair adds no optional parts, unless the record of them is damaged. */
async function stageRepair(admitted: AdmittedBundle, options: SiteContext): Promise<void> {
  const { site } = options;
  const parts = await partsToRepair(site, admitted).catch((error: unknown) => {
    if (error instanceof StowageError && error.code !== 'io-failed') return undefined;
    throw error;
  });
  await stage(admitted, site, { ...options, ...(parts === undefined ? {} : { parts }) });
}

/** @param before an earlier state, of which only what was bad is examined again */
async function examine(options: SiteContext, before?: StoreState): Promise<StoreState> {
  const { site, signal, emit } = options;
  const { releases, refused } = await listReleases(site);
  const sizes = [...uniqueBlobs(releases).keys()].map(({ size }) => size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const pool = new HashPool(signal);
  try {
    const { add: onBytes } = new Tally(emit, 'verify', total);
    // After a repair, what was hashed before it is spared; small blobs and new ones are not.
    const rehash = before === undefined;
    const bad = await findBadBlobs(site, releases, { pool, onBytes, rehash });
    const changedFiles: string[] = [];
    const places: string[] = [];
    const broken = new Set(bad.map(({ digest }) => digest));
    for (const release of releases) {
      changedFiles.push(...(await changedControlFiles(site, release, pool)));
      // A damaged archive says nothing about the files that were unpacked from it.
      if (!release.bundle.files.some(({ kind, digest }) => kind === 'tree' && broken.has(digest)))
        places.push(...(await changedPlaces(site, release)));
    }
    return { releases, checked: sizes.length, bad, changedFiles, changedPlaces: places, refused };
  } finally {
    await pool.close();
  }
}

async function changedControlFiles(
  site: SiteFolder,
  { id, bundle }: Release,
  pool: HashPool,
): Promise<string[]> {
  const folder = releaseFolder(site, id);
  const programs = bundle.installers ?? [];
  const files = [...bundle.control, ...programs];
  const changed: string[] = [];
  for (const file of files) {
    const path = join(folder, file.path);
    const verdict = await verifyFile(path, file, pool);
    // Media may lack those for other platforms, and an earlier version of Stowage kept none.
    const isOptional = verdict === 'missing' && programs.some(({ path: own }) => own === file.path);
    if (verdict !== 'intact' && !isOptional) changed.push(path);
  }
  return changed;
}

/** The releases whose media contain what is damaged at a site, and which of it: each damaged blob can be in several. */
export function releasesWithDamaged({ releases, bad }: StoreState): Map<Release, BadBlob[]> {
  const found = new Map<Release, BadBlob[]>();
  for (const release of releases) {
    const digests = new Set(release.bundle.blobs.map(({ digest }) => digest));
    const of = bad.filter(({ digest }) => digests.has(digest));
    if (of.length > 0) found.set(release, of);
  }
  return found;
}

/** `chat 1.0.0, bundle 0123456789abcdef` */
export function bundleText({ id, bundle }: Release): string {
  return `${bundle.name} ${bundle.version}, bundle ${id.slice(0, 16)}`;
}

function useless(medium: Release, before: StoreState): StowageError {
  const damaged = [...releasesWithDamaged(before).keys()];
  const known = (damaged.length > 0 ? damaged : before.releases).map(bundleText);
  return new StowageError(
    'release-unknown',
    `${medium.bundle.name} ${medium.bundle.version} was not imported at this site, and contains none of its damaged files`,
    {
      expected: known.join('; ') || 'a release, but none has been imported',
      found: bundleText(medium),
      hint:
        damaged.length > 0
          ? 'give the media of one of the expected bundles'
          : 'to add this release, run stowage import',
    },
  );
}

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
    else if (!(await isIntactPart(part, { path, size: blob.size, pool })))
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

async function isIntactPart(
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
