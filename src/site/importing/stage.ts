import { basename, dirname, join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { checkManifests } from '../../bundle/check-manifests.ts';
import type { PartFault } from '../../bundle/part-check.ts';
import { chooseParts, type PartNames, withParts } from '../../content/optional.ts';
import { type Context, type Emit, Tally } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { counted, exactBytes } from '../../core/text.ts';
import { type Bundle, bundleBytes } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { exists, remove, renameIntoPlace, syncFolder } from '../../io/file.ts';
import { freeBytes, makeFolder, requireSpace } from '../../io/folder.ts';
import { HashPool } from '../../io/hashing.ts';
import { recordChosen } from '../release/chosen-parts.ts';
import { makeExecutable, replaceChanged } from '../release/layout.ts';
import {
  asHeld,
  listReleases,
  loadRelease,
  type Release,
  releaseFolder,
} from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { DiscMedium } from './disc-medium.ts';
import { expectInstallers, fillInstallers, stagedInstallers } from './fill-installers.ts';
import { fillParts } from './fill-parts.ts';
import type { CopyFailures, ImportMedium } from './import-medium.ts';
import { recordDamage, recordDiscs } from './partial-import.ts';
import { rebuild } from './rebuild.ts';
import { wantedRecovery } from './rebuild-plan.ts';
import { Staging, stagingFolder } from './staging.ts';

/** How far staging got with the media that were given. */
export interface StagingResult {
  /** Parts that are not at the site; none when the release is complete. */
  readonly missing: readonly Part[];
  /** What was wrong with parts that are still missing. */
  readonly faults: readonly PartFault[];
  /** Folders of discs that could no longer be read. */
  readonly lost: readonly string[];
  /** Parts that were rebuilt from recovery parts. */
  readonly rebuilt: readonly Part[];
  /** How many blobs in the store were damaged, and are replaced or missing now. */
  readonly damaged: number;
}

export interface StageOptions extends Context {
  /** Whether to hash stored blobs whose files have not changed since they were last hashed, too. */
  readonly rehash?: boolean;
  /** The optional parts that the site is to have; all if absent. */
  readonly parts?: PartNames;
}

interface StageContext extends Context {
  readonly admitted: AdmittedBundle;
  readonly medium: ImportMedium;
  readonly site: SiteFolder;
  readonly staging: Staging;
  /** The optional parts that the site is to have. */
  readonly parts: PartNames;
}

/**
 * Stages an admitted bundle from its folders; see {@link stageMedium}. Nothing is left to record.
 * @throws StowageError as {@link stageMedium}
 */
export async function stage(
  admitted: AdmittedBundle,
  site: SiteFolder,
  context: StageOptions,
): Promise<StagingResult> {
  const medium = new DiscMedium(admitted.discs.map(({ folder }) => folder));
  const result = await stageMedium(medium, admitted, site, context);
  if (result.missing.length === 0) await discardStaging(site, admitted.id);
  return result;
}

/**
 * Copies the parts of an admitted bundle that a medium has into the site's store. Each part is read once, hashed,
 * written to its place in the blob's unfinished file, fsynced and journalled. A blob gets its name when every part of
 * it matched. Parts that an earlier run finished, and blobs that are in the store, are hashed and not copied again; damaged
 * ones are replaced, in the store and where services see them. What the media lack is taken from the store only after it was hashed
 * in this import, whenever it was hashed before. Parts of the files of models are also taken from other such files in the store. Missing parts are rebuilt where enough recovery
 * parts exist. The control files and the installers of a complete bundle end under `releases/`; those of an
 * incomplete one wait in staging for the other discs. The staging folder of a complete bundle stays until
 * {@link discardStaging}: until then its acceptance is not recorded.
 * @throws StowageError `space-insufficient` before the first byte or while copying, `io-failed`, `interrupted`,
 * `index-mismatch`
 */
export async function stageMedium(
  medium: ImportMedium,
  admitted: AdmittedBundle,
  site: SiteFolder,
  context: StageOptions,
): Promise<StagingResult> {
  const parts = context.parts ?? chooseParts(admitted.bundle, 'all').parts;
  const staging = await Staging.open(site, admitted.id, admitted.bundle, parts);
  if (medium.countsAtEnd) staging.deferNaming();
  await makeFolder(staging.folder);
  const { signal, emit } = context;
  const all = { signal, emit, now: context.now, admitted, medium, site, staging, parts };
  const pool = new HashPool(signal);
  try {
    const lacks = (part: Part): boolean => medium.lacks(part, admitted);
    await expectInstallers(all);
    await staging.verify({ pool, emit, lacks, rehash: context.rehash ?? false });
    await staging.begin();
    await fillInstallers(all, pool, lacks);
    if (staging.missing().length === 0 && !medium.countsAtEnd) {
      await finish(all, pool);
      return { missing: [], faults: [], lost: [], rebuilt: [], damaged: 0 };
    }
    await prepare(all, pool);
    await fillParts(all, pool, lacks);
    const { faults, lost } = await copyMissing(all, pool);
    await staging.nameBlobs();
    // Of a stream, what it lacks is known only now.
    await staging.verifyAlone({ pool, emit, lacks });
    const found = [
      ...(await fillInstallers(all, pool, () => true)),
      ...(await fillParts(all, pool, () => true)),
    ];
    const filled = new Set(found.map(({ path }) => path));
    const recovered = await recover(all, pool);
    warnOfRecovered(faults, { rebuilt: recovered.rebuilt, filled }, all);
    const missing = staging.missing();
    const open = faults.filter((fault) => !staging.has(fault.part));
    if (missing.length === 0) await finish(all, pool);
    else await recordDamage(staging.folder, open);
    const gone = [...new Set([...lost, ...recovered.lost])];
    const { damaged } = staging;
    return { missing, faults: open, lost: gone, rebuilt: recovered.rebuilt, damaged };
  } catch (error) {
    throw await withMissingSpace(error, staging);
  } finally {
    await pool.close();
  }
}

async function prepare({ admitted, staging, parts }: StageContext, pool: HashPool): Promise<void> {
  await requireSpace(staging.folder, bytesOf(staging.missing()));
  const control = controlFolder(staging);
  if (!(await exists(control))) await writeControlFiles(admitted, { place: control, pool });
  await recordChosen(staging.folder, admitted.bundle, parts);
  await recordDiscs(staging.folder, admitted);
}

async function copyMissing(
  { admitted, medium, staging, parts: chosen, emit }: StageContext,
  pool: HashPool,
): Promise<CopyFailures> {
  const missing = staging.missing();
  const parts = medium.available(missing, admitted);
  emit({ type: 'step', step: 'stage', subject: counted(parts.length, 'part') });
  const kept = bundleBytes(withParts(admitted.bundle, chosen)) - bytesOf(missing);
  const tally = new Tally(emit, 'stage', kept + bytesOf(parts), kept);
  return medium.copyParts({ parts, admitted, staging, pool, tally });
}

interface Recovered {
  readonly rebuilt: readonly Part[];
  /** Folders of discs that could no longer be read. */
  readonly lost: Iterable<string>;
}

/** Rebuilds missing parts, from recovery parts at the site and those that the medium can still deliver. */
async function recover(all: StageContext, pool: HashPool): Promise<Recovered> {
  const { admitted, medium, staging, emit } = all;
  if (admitted.bundle.parity === undefined || staging.missing().length === 0)
    return { rebuilt: [], lost: [] };
  const parts = await recoveryToKeep(all);
  let lost: Iterable<string> = [];
  if (parts.length > 0) {
    const subject = `with ${counted(parts.length, 'recovery part')}`;
    emit({ type: 'step', step: 'rebuild', subject });
    const tally = new Tally(emit, 'read recovery parts', bytesOf(parts));
    lost = (await medium.copyParts({ parts, admitted, staging, pool, tally })).lost;
  }
  const rebuilt: Part[] = [];
  await rebuild(staging, pool, emit, (part) => void rebuilt.push(part));
  return { rebuilt, lost };
}

// Recovery parts are read when something is missing, and kept until nothing is: a host with one drive may not see
// their disc again.
async function recoveryToKeep({ admitted, medium, staging, emit }: StageContext): Promise<Part[]> {
  const { bundle } = admitted;
  if (bundle.parity === undefined) return [];
  const has = (part: Part): boolean => staging.has(part);
  const available = new Set(medium.available(bundle.parity.rows.flat(), admitted));
  const found = (part: Part): boolean => available.has(part);
  const parts = bundle.blobs.flatMap((blob) => blob.parts);
  const recovery = wantedRecovery(bundle.parity, parts, has, found);
  const needed = bytesOf(staging.missing()) + bytesOf(recovery);
  if (recovery.length === 0 || (await freeBytes(staging.folder)) >= needed) return recovery;
  emit({
    type: 'warning',
    message: `recovery parts are not kept: they need ${exactBytes(needed)} of free space`,
    hint: 'free that much space, or give the discs with recovery parts again after all others',
  });
  return [];
}

function warnOfRecovered(
  faults: readonly PartFault[],
  { rebuilt, filled }: { readonly rebuilt: readonly Part[]; readonly filled: ReadonlySet<string> },
  { medium, staging, emit }: StageContext,
): void {
  for (const { part, error } of faults.filter((fault) => staging.has(fault.part))) {
    const wasRebuilt = rebuilt.includes(part);
    // What was left out of a stream is not damaged.
    if (medium.countsAtEnd && error.code === 'part-missing' && !wasRebuilt) continue;
    const others = filled.has(part.path) ? 'copied from this site' : 'copied from another disc';
    const how = wasRebuilt ? 'rebuilt from recovery parts' : others;
    const place = error.found === undefined ? '' : ` (${error.found})`;
    emit({ type: 'warning', message: `${error.message}${place}; ${how}` });
  }
}

/** Removes the staging folder of a bundle whose acceptance was recorded. */
export async function discardStaging(site: SiteFolder, id: string): Promise<void> {
  await remove(stagingFolder(site, id));
}

async function finish(
  { admitted, site, staging, parts, emit }: StageContext,
  pool: HashPool,
): Promise<void> {
  const { id } = admitted;
  const release = asHeld(id, admitted.bundle, parts);
  const before = await heldBefore(site, release);
  try {
    // Again, because admission may not have seen every part.
    await checkManifests(release.bundle, (digest, maxBytes) => site.store.read(digest, maxBytes));
  } catch (error) {
    await discardStaging(site, id);
    throw error;
  }
  await writeControlFiles(admitted, {
    ...{ place: releaseFolder(site, id), pool, copies: controlFolder(staging), parts },
    installers: await stagedInstallers(staging),
  });
  await replacePlaced(site, release, { named: staging.named, emit, before });
}

/** What the site had of a bundle before; undefined if nothing, or if its index cannot be read. */
async function heldBefore(site: SiteFolder, { id }: Release): Promise<Bundle | undefined> {
  try {
    return (await loadRelease(site, id)).bundle;
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    return undefined;
  }
}

/** The control files of a bundle that is not complete yet. */
function controlFolder({ folder }: Staging): string {
  return join(folder, 'control');
}

/** Blobs that replaced damaged ones are new files: layouts still link to the old ones. */
async function replacePlaced(
  site: SiteFolder,
  imported: Release,
  { named, emit, before }: { named: ReadonlySet<Digest>; emit: Emit; before: Bundle | undefined },
): Promise<void> {
  for (const release of (await listReleases(site, imported)).releases) {
    const grows = release.id === imported.id && before !== undefined;
    if (!grows && !release.bundle.blobs.some(({ digest }) => named.has(digest))) continue;
    await replaceChanged(site, release, emit, grows ? before : release.bundle);
  }
}

interface ControlFilesPlace {
  readonly place: string;
  readonly pool: HashPool;
  /** A folder that may have copies of them. */
  readonly copies?: string;
  /** Moved beside them. */
  readonly installers?: readonly string[];
  /** The optional parts that the site has; not recorded if absent. */
  readonly parts?: PartNames;
}

/** Writes what was signed and what describes it, so that the release can be planned without the media. */
async function writeControlFiles(
  admitted: AdmittedBundle,
  { place, pool, copies, installers = [], parts }: ControlFilesPlace,
): Promise<void> {
  const temporary = `${place}.partial`;
  await remove(temporary);
  for (const [path, file] of admitted.controlFiles) {
    await makeFolder(dirname(join(temporary, path)));
    await file.writeTo(join(temporary, path), pool, copies && join(copies, path));
  }
  for (const installer of installers) {
    await makeExecutable(installer);
    await renameIntoPlace(installer, join(temporary, basename(installer)));
  }
  if (parts !== undefined) await recordChosen(temporary, admitted.bundle, parts);
  await syncFolder(temporary);
  await remove(place);
  await renameIntoPlace(temporary, place);
}

async function withMissingSpace(error: unknown, staging: Staging): Promise<unknown> {
  if (!(error instanceof StowageError) || error.code !== 'space-insufficient') return error;
  const needed = bytesOf(staging.missing());
  const free = await freeBytes(staging.folder).catch(() => 0);
  return new StowageError('space-insufficient', 'the disk filled up while the bundle was staged', {
    expected: `${exactBytes(needed)} free for the missing parts`,
    found: `${exactBytes(free)} free`,
    hint: `free ${exactBytes(Math.max(needed - free, 0))} on the disk that holds ${staging.folder} and run the same command again; finished parts are kept`,
    cause: error,
  });
}

function bytesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.size, 0);
}
