import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import type { StoredFile } from '../../depot/catalog.ts';
import { type Bundle, bundleFiles } from '../../format/bundle.ts';
import { namesIn, statusOf } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type Release, releaseFolder, signedBundle } from './release.ts';

/** The files of an imported bundle, as it was imported, and where their bytes are at this site. */
export interface StoredFiles {
  /** By path, in the order of the bundle: `SHA512SUMS`, signatures, `bundle.json`, and the files that it lists. */
  readonly files: ReadonlyMap<string, StoredFile>;
  /** Listed files that the site does not keep: recovery parts, and installers and optional parts that never reached it. */
  readonly absent: readonly string[];
}

/**
 * Lists the files of an imported bundle. Parts are ranges of blobs of the store; the rest is in the folder of the release.
 * Nothing is hashed.
 * @throws StowageError `io-failed`
 */
export async function storedFiles(site: SiteFolder, release: Release): Promise<StoredFiles> {
  const { id } = release;
  const bundle = signedBundle(release);
  const folder = releaseFolder(site, id);
  const files = new Map<string, StoredFile>();
  const signatures = (await namesIn(join(folder, 'signatures'))).map(
    (each) => `signatures/${each}`,
  );
  const add = async (path: string): Promise<void> => {
    const place = join(folder, path);
    const status = await statusOf(place);
    if (status?.isFile() !== true) return;
    const size = Number(status.size);
    files.set(path, { size, source: { path: place, offset: 0, size } });
  };
  for (const path of ['SHA512SUMS', ...signatures, 'bundle.json']) await add(path);
  for (const { path } of [...bundle.control, ...(bundle.installers ?? [])]) await add(path);
  const stored = await storedSizes(site, bundle);
  for (const { digest, size, parts } of bundle.blobs) {
    if (stored.get(digest) !== size) continue;
    const path = site.store.path(digest);
    for (const part of parts)
      files.set(part.path, {
        size: part.size,
        source: { path, offset: part.offset, size },
        blob: digest,
      });
  }
  const listed = bundleFiles(bundle).map(({ path }) => path);
  return { files, absent: listed.filter((path) => !files.has(path)) };
}

async function storedSizes(site: SiteFolder, { blobs }: Bundle): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  for (const { digest } of blobs) {
    const size = await site.store.size(digest);
    if (size !== undefined) sizes.set(digest, size);
  }
  return sizes;
}
