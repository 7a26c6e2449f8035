import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestHex } from '../core/digest.ts';
import type { Context } from '../core/event.ts';
import type { BundleBlob } from '../format/bundle.ts';
import {
  exists,
  ioError,
  makeFolder,
  remove,
  requireSpace,
  reveal,
  syncFolder,
  writeNew,
} from '../io/file.ts';
import { HashPool } from '../io/hashing.ts';
import { forEachBounded } from '../io/queue.ts';
import type { AdmittedBundle } from './admitted-bundle.ts';
import { checkPart } from './part-check.ts';
import { releaseFolder } from './release.ts';
import type { SiteFolder } from './site-folder.ts';
import { StagingJournal } from './staging-journal.ts';

/**
 * Copies an admitted bundle's blobs into the site's store, each part read once: media, hash, its place in the
 * blob's unfinished file, fsync, journal. A blob gets its name when every part of it matched. What an earlier run
 * finished is not read again. Ends with the bundle's control files under `releases/`.
 * @throws StowageError `space-insufficient` before the first byte, and all that {@link checkPart} throws
 */
export async function stage(
  admitted: AdmittedBundle,
  site: SiteFolder,
  { signal, emit }: Context,
): Promise<void> {
  const { bundle } = admitted;
  const staging = site.path('staging', admitted.id);
  await makeFolder(staging);
  const unfinished = (blob: BundleBlob): string => join(staging, digestHex(blob.digest));
  const journal = await StagingJournal.open(join(staging, 'journal'));
  const blobs: BundleBlob[] = [];
  for (const blob of bundle.blobs) {
    if ((await site.store.size(blob.digest)) !== blob.size) blobs.push(blob);
  }
  await forgetLost(blobs, journal, unfinished);
  const work = blobs.flatMap((blob) => blob.parts.map((part) => ({ blob, part })));
  const pending = work.filter(({ part }) => !journal.has(part));
  const total = work.reduce((sum, { part }) => sum + part.size, 0);
  const pendingBytes = pending.reduce((sum, { part }) => sum + part.size, 0);
  await requireSpace(staging, pendingBytes);
  let done = total - pendingBytes;
  const count = (bytes: number): void => {
    done += bytes;
    emit({ type: 'progress', task: 'stage', done, total, unit: 'bytes' });
  };
  emit({ type: 'step', step: 'stage', subject: `${pending.length} parts` });
  const left = new Map(
    blobs.map((blob) => [blob.digest, blob.parts.filter((part) => !journal.has(part)).length]),
  );
  const finish = async (blob: BundleBlob): Promise<void> =>
    site.store.adopt(unfinished(blob), blob.digest);
  const pool = new HashPool(signal);
  try {
    for (const blob of blobs) {
      await allocate(unfinished(blob), blob.size);
      if (left.get(blob.digest) === 0) await finish(blob);
    }
    await forEachBounded(pending, pool.width, async ({ blob, part }) => {
      const destination = { path: unfinished(blob), offset: part.offset };
      await checkPart(bundle, admitted.folder, part, pool, count, destination);
      await journal.add(part);
      const rest = (left.get(blob.digest) ?? 0) - 1;
      left.set(blob.digest, rest);
      if (rest === 0) await finish(blob);
    });
  } finally {
    await pool.close();
  }
  await keepControlFiles(admitted, site);
  await remove(staging);
}

// A part in the journal whose bytes lie neither in the store nor here was lost since: nothing there is believed.
async function forgetLost(
  blobs: readonly BundleBlob[],
  journal: StagingJournal,
  unfinished: (blob: BundleBlob) => string,
): Promise<void> {
  for (const blob of blobs) {
    if (!blob.parts.some((part) => journal.has(part)) || (await exists(unfinished(blob)))) continue;
    await journal.clear();
    return;
  }
}

// Workers write at their offsets, in any order: the file has its size from the start.
async function allocate(path: string, size: number): Promise<void> {
  try {
    const handle = await open(
      path,
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
      0o644,
    );
    try {
      if ((await handle.stat()).size !== size) await handle.truncate(size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, path);
  }
}

/** Keeps what was signed and what describes it, so that the release can be planned without the media. */
async function keepControlFiles(admitted: AdmittedBundle, site: SiteFolder): Promise<void> {
  const place = releaseFolder(site, admitted.id);
  const temporary = `${place}.partial`;
  await remove(temporary);
  for (const [path, bytes] of admitted.controlFiles) {
    await makeFolder(dirname(join(temporary, path)));
    await writeNew(join(temporary, path), bytes);
  }
  await syncFolder(temporary);
  await remove(place);
  await reveal(temporary, place);
}
