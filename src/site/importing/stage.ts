import { basename, dirname, join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import type { PartFault } from '../../bundle/part-check.ts';
import { counted, exactBytes } from '../../core/amount.ts';
import { StowageError } from '../../core/error.ts';
import type { Context } from '../../core/event.ts';
import { Tally } from '../../core/tally.ts';
import { bundleBytes } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import {
  exists,
  freeBytes,
  makeFolder,
  remove,
  renameIntoPlace,
  requireSpace,
  syncFolder,
  writeNew,
} from '../../io/file.ts';
import { HashPool } from '../../io/hashing.ts';
import { makeExecutable } from '../release/offer-installer.ts';
import { releaseFolder } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { noteDiscs } from './incoming.ts';
import type { PipedBundle } from './piped-bundle.ts';
import { rebuild } from './rebuild.ts';
import { wantedRecovery } from './rebuild-plan.ts';
import { noteFaults } from './repair.ts';
import { Staging } from './staging.ts';
import { takeParts } from './take-parts.ts';

/** How far staging came with the media that were given. */
export interface Staged {
  /** Parts that are not at the site; none when the release is complete. */
  readonly missing: readonly Part[];
  /** What was wrong with parts that are still missing. */
  readonly faults: readonly PartFault[];
  /** Folders of media that went away meanwhile. */
  readonly lost: readonly string[];
  /** Parts that were rebuilt from recovery parts. */
  readonly rebuilt: readonly Part[];
}

/**
 * Copies what the media have of an admitted bundle into the site's store, each part read once: media, hash, its place
 * in the blob's unfinished file, fsync, journal. A blob gets its name when every part of it matched. What an earlier
 * run finished is not read again. Missing parts are rebuilt where there are recovery parts enough. A bundle that is
 * complete ends with its control files and this host's installer under `releases/`; else they wait in staging for the other discs.
 * @param piped whose parts come through a pipe, after the control files that were admitted
 * @throws StowageError `space-insufficient` before the first byte or on the way, `io-failed`, `interrupted`
 */
export async function stage(
  admitted: AdmittedBundle,
  site: SiteFolder,
  { signal, emit }: Context,
  piped?: PipedBundle,
): Promise<Staged> {
  const { bundle, discs, id } = admitted;
  const staging = await Staging.open(site, id, bundle);
  if (piped !== undefined) staging.hold();
  await makeFolder(staging.folder);
  await staging.begin();
  const found = (part: Part): boolean => discs.some(({ files }) => files.has(part.path));
  const wanted = staging.missing();
  const total = bytesOf(wanted);
  if (wanted.length === 0 && piped === undefined) {
    await finish(admitted, site, staging);
    return { missing: [], faults: [], lost: [], rebuilt: [] };
  }
  await requireSpace(staging.folder, total);
  const control = join(staging.folder, 'control');
  if (!(await exists(control))) await keepControlFiles(admitted, control);
  await noteDiscs(staging.folder, admitted);
  const pool = new HashPool(signal);
  const rebuilt: Part[] = [];
  try {
    const here = piped === undefined ? wanted.filter(found) : wanted;
    emit({ type: 'step', step: 'stage', subject: counted(here.length, 'part') });
    const kept = bundleBytes(bundle) - total;
    const tally = new Tally(emit, 'stage', kept + bytesOf(here), kept);
    const { faults, lost } =
      (await piped?.takeParts(staging, tally)) ??
      (await takeParts(here, admitted, staging, pool, tally));
    await staging.release();
    if (bundle.parity !== undefined && staging.missing().length > 0) {
      const recovery = await recoveryToKeep(admitted, staging, emit);
      if (recovery.length > 0)
        emit({ type: 'step', step: 'rebuild', subject: `with ${recovery.length} recovery parts` });
      const more = await takeParts(
        recovery,
        admitted,
        staging,
        pool,
        new Tally(emit, 'read recovery parts', bytesOf(recovery)),
      );
      for (const each of more.lost) lost.add(each);
      await rebuild(staging, pool, emit, (part) => void rebuilt.push(part));
    }
    for (const { part, error } of faults.filter((fault) => staging.has(fault.part))) {
      const how = rebuilt.includes(part)
        ? 'rebuilt from recovery parts'
        : 'taken from another disc';
      const place = error.found === undefined ? '' : ` (${error.found})`;
      emit({ type: 'warning', message: `${error.message}${place}; ${how}` });
    }
    const missing = staging.missing();
    if (missing.length === 0) await finish(admitted, site, staging);
    const open = faults.filter((fault) => !staging.has(fault.part));
    if (missing.length > 0) await noteFaults(staging.folder, open);
    return { missing, faults: open, lost: [...lost], rebuilt };
  } catch (error) {
    throw await withMissingSpace(error, staging);
  } finally {
    await pool.close();
  }
}

// Recovery parts are read when something is missing, and kept until nothing is: the discs they lie on may be the
// last that a single drive sees.
async function recoveryToKeep(
  { bundle, discs }: AdmittedBundle,
  staging: Staging,
  emit: Context['emit'],
): Promise<Part[]> {
  if (bundle.parity === undefined) return [];
  const has = (part: Part): boolean => staging.has(part);
  const found = (part: Part): boolean => discs.some(({ files }) => files.has(part.path));
  const parts = bundle.blobs.flatMap((blob) => blob.parts);
  const recovery = wantedRecovery(bundle.parity, parts, has, found);
  const needed = bytesOf(staging.missing()) + bytesOf(recovery);
  if (recovery.length === 0 || (await freeBytes(staging.folder)) >= needed) return recovery;
  emit({
    type: 'warning',
    message: `recovery parts are not kept: ${needed} bytes would have to be free`,
    hint: 'free that much, or give the discs with recovery parts again after all others',
  });
  return [];
}

async function finish(admitted: AdmittedBundle, site: SiteFolder, staging: Staging): Promise<void> {
  const place = releaseFolder(site, admitted.id);
  await keepControlFiles(admitted, place, staging.installer);
  await staging.discard();
}

/** Keeps what was signed and what describes it, so that the release can be planned without the media. */
async function keepControlFiles(
  admitted: AdmittedBundle,
  place: string,
  installer?: string,
): Promise<void> {
  const temporary = `${place}.partial`;
  await remove(temporary);
  for (const [path, bytes] of admitted.controlFiles) {
    await makeFolder(dirname(join(temporary, path)));
    await writeNew(join(temporary, path), bytes);
  }
  if (installer !== undefined) {
    await makeExecutable(installer);
    await renameIntoPlace(installer, join(temporary, basename(installer)));
  }
  await syncFolder(temporary);
  await remove(place);
  await renameIntoPlace(temporary, place);
}

async function withMissingSpace(error: unknown, staging: Staging): Promise<unknown> {
  if (!(error instanceof StowageError) || error.code !== 'space-insufficient') return error;
  const needed = bytesOf(staging.missing());
  const free = await freeBytes(staging.folder).catch(() => 0);
  return new StowageError('space-insufficient', 'the disk filled up while the bundle was staged', {
    expected: `${exactBytes(needed)} free for what is still missing`,
    found: `${exactBytes(free)} free`,
    hint: `free ${exactBytes(Math.max(needed - free, 0))} where ${staging.folder} lies and run the same command again; what is finished is kept`,
    cause: error,
  });
}

function bytesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.size, 0);
}
