import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import { exists, readBounded, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { findDiscs } from '../discs.ts';
import { readIndexes, readStoredBundle } from '../read-index.ts';

/** Finds what a bundle contains by its id: SHA-512 of its `SHA512SUMS`, 128 hex digits. */
export type FindBundle = (id: string) => Promise<Bundle | undefined>;

/**
 * Keeps the index of a bundle, so that later bundles can be compared with it when its folder is gone.
 * @param known the folder of all such indexes
 * @throws StowageError `io-failed`
 */
export async function keepIndex(id: string, from: string, known: string): Promise<void> {
  const folder = join(known, id);
  // Written last: with it, the index is complete.
  if (await exists(join(folder, 'SHA512SUMS'))) return;
  await makeFolder(folder);
  const index = await readBounded(join(from, 'bundle.json'), MAX_INDEX_BYTES);
  const checksums = await readBounded(join(from, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
  await writeAtomic(join(folder, 'bundle.json'), index);
  await writeAtomic(join(folder, 'SHA512SUMS'), checksums);
}

/**
 * Finds bundles among given ones and those whose index was kept. Each index is compared with the id, so no signature is needed:
 * the receipt that names the id is signed.
 * @param places folders of bundles or of discs
 * @throws StowageError as {@link readIndexes} for these
 */
export async function findBundles(places: readonly string[], known: string): Promise<FindBundle> {
  const given = new Map<string, Bundle>();
  for (const place of places) {
    const { id, bundle } = await readIndexes(await findDiscs([place]));
    given.set(id, bundle);
  }
  return async (id) => {
    const bundle = given.get(id);
    if (bundle !== undefined) return bundle;
    try {
      return await readStoredBundle(join(known, id), id);
    } catch (error) {
      // A damaged or newer record is of no use, and no reason to stop.
      if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
      return undefined;
    }
  };
}
