import { join } from 'node:path';
import { type Sri, sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import { readListed, requireSum } from '../../deploy/bundle-files.ts';
import { findDiscs } from '../../deploy/discs.ts';
import { listedFiles } from '../../deploy/inventory.ts';
import { type Bundle, bundleKind } from '../../format/bundle.ts';
import { type Checksum, readChecksums } from '../../format/checksums.ts';
import { readCanonical } from '../../format/document.ts';
import { listMedia } from '../../io/media.ts';

/** A bundle, whole or on discs, as its lists say; no signature was looked at. */
export interface OpenBundle {
  readonly id: string;
  readonly bundle: Bundle;
  /** Where each file lies, absolute, by its path in the bundle. */
  readonly files: ReadonlyMap<string, string>;
  readonly sums: ReadonlyMap<string, Sri>;
}

/** The index of a bundle's folder, or of a disc. */
export async function readIndex(
  folder: string,
): Promise<{ id: string; bundle: Bundle; checksums: readonly Checksum[] }> {
  const bytes = await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent');
  const checksums = readChecksums(bytes);
  const index = await readListed(folder, 'bundle.json', MAX_INDEX_BYTES, 'bundle-absent');
  requireSum(checksums, 'bundle.json', index);
  return { id: sriHex(sriOf(bytes)), bundle: readCanonical(bundleKind, index), checksums };
}

/**
 * Finds the files of a bundle in a folder, or in the disc folders that lie in it.
 * @throws StowageError `bundle-mixed`, `bundle-absent`, `file-unexpected`
 */
export async function openBundle(place: string): Promise<OpenBundle> {
  const folders = await findDiscs([place]);
  const files = new Map<string, string>();
  let first: Awaited<ReturnType<typeof readIndex>> | undefined;
  for (const folder of folders) {
    const index = await readIndex(folder);
    first ??= index;
    if (index.id !== first.id) throw mixed(place, first.id, index.id);
    await listedFiles(folder, index.checksums);
    for (const { path } of await listMedia(folder)) files.set(path, join(folder, path));
  }
  if (first === undefined) throw new RangeError('findDiscs gives at least one folder');
  const { id, bundle, checksums } = first;
  const sums = new Map(checksums.map(({ path, sha512 }) => [path as string, sha512]));
  return { id, bundle, files, sums };
}

function mixed(place: string, expected: string, found: string): StowageError {
  return new StowageError('bundle-mixed', `${place} holds discs of different bundles`, {
    expected,
    found,
    hint: 'put the discs of one bundle into one folder',
  });
}
