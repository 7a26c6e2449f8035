import { dirname, join } from 'node:path';
import { digestHex } from '../core/digest.ts';
import type { Context } from '../core/event.ts';
import type { BundleBlob } from '../format/bundle.ts';
import {
  allocate,
  exists,
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
import { hostPlatform } from './host.ts';
import { installerFor, stageInstallers } from './installers.ts';
import { checkPart } from './part-check.ts';
import { releaseFolder } from './release.ts';
import type { SiteFolder } from './site-folder.ts';
import { StagingJournal } from './staging-journal.ts';

/**
 * Copies an admitted bundle's blobs into the site's store, each part read once: media, hash, its place in the
 * blob's unfinished file, fsync, journal. A blob gets its name when every part of it matched. What an earlier run
 * finished is not read again. Ends with the bundle's control files and this
 * host's installer under `releases/`.
 * @throws StowageError `space-insufficient` before the first byte, and all that {@link checkPart} throws
 */
export async function stage(
  admitted: AdmittedBundle,
  site: SiteFolder,
  { signal, emit }: Context,
): Promise<void> {
  const { bundle } = admitted;
  const platform = hostPlatform();
  const installer = installerFor(bundle, platform);
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
  await requireSpace(staging, pendingBytes + (installer?.size ?? 0));
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
    // First: what is wrong with them should not show after hours.
    await stageInstallers(bundle, admitted.folder, staging, platform, pool);
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
  await keepControlFiles(admitted, site, installer?.path);
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

/** Keeps what was signed and what describes it, so that the release can be planned without the media. */
async function keepControlFiles(
  admitted: AdmittedBundle,
  site: SiteFolder,
  installer: string | undefined,
): Promise<void> {
  const place = releaseFolder(site, admitted.id);
  const temporary = `${place}.partial`;
  await remove(temporary);
  for (const [path, bytes] of admitted.controlFiles) {
    await makeFolder(dirname(join(temporary, path)));
    await writeNew(join(temporary, path), bytes);
  }
  if (installer !== undefined)
    await reveal(site.path('staging', admitted.id, installer), join(temporary, installer));
  await syncFolder(temporary);
  await remove(place);
  await reveal(temporary, place);
}
