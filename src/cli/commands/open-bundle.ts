import { join } from 'node:path';
import { findDiscs } from '../../bundle/discs.ts';
import { listedFiles } from '../../bundle/inventory.ts';
import { mixed, type ReadIndex, readIndex } from '../../bundle/read-index.ts';
import type { Sri } from '../../core/digest.ts';
import type { Bundle } from '../../format/bundle.ts';
import { listMedia } from '../../io/media.ts';

/** A bundle, whole or on discs. Its signatures are not verified. */
export interface OpenBundle {
  readonly id: string;
  readonly bundle: Bundle;
  /** Absolute path of each file, by its path in the bundle. */
  readonly files: ReadonlyMap<string, string>;
  readonly sums: ReadonlyMap<string, Sri>;
}

/**
 * Finds the files of a bundle in a folder, or in the disc folders inside it.
 * @throws StowageError `bundle-mixed`, `bundle-absent`, `file-unexpected`
 */
export async function openBundle(place: string): Promise<OpenBundle> {
  const folders = await findDiscs([place]);
  const files = new Map<string, string>();
  let first: ReadIndex | undefined;
  for (const folder of folders) {
    const index = await readIndex(folder);
    first ??= index;
    if (index.id !== first.id) throw mixed(place, first.id, index.id);
    await listedFiles(folder, index.checksums);
    for (const { path, kind } of await listMedia(folder))
      if (kind !== 'folder') files.set(path, join(folder, path));
  }
  if (first === undefined) throw new RangeError('findDiscs returns at least one folder');
  const { id, bundle, checksums } = first;
  const sums = new Map(checksums.map(({ path, sha512 }) => [path as string, sha512]));
  return { id, bundle, files, sums };
}
