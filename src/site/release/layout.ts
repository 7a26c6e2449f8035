import { chmod, link, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { installerFor } from '../../bundle/installers.ts';
import type { LaidOut } from '../../content/content-kind.ts';
import { fromBundle } from '../../content/items.ts';
import type { Emit } from '../../core/context.ts';
import { type Digest, sriHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Installer } from '../../format/installer.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import { isTreeOf, readTree } from '../../io/archive.ts';
import {
  exists,
  ioError,
  readIfThere,
  remove,
  renameIntoPlace,
  statusOf,
  syncFolder,
  writeAtomic,
} from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { HashPool } from '../../io/hashing.ts';
import { verifyFile } from '../../io/verify-blob.ts';
import type { SiteFolder } from '../site-folder.ts';
import { loadRelease, type Release, releaseFolder } from './release.ts';

/** The folder with the content of a release for its services. */
export function layoutFolder(site: SiteFolder, id: string): string {
  return site.path('layouts', id.slice(0, 32));
}

/**
 * Places the content of an imported release: `models/<name>/<path>` as hard links to the store, `files/<name>/` as links
 * or unpacked trees, `rendered/<sha256>` from templates. Models are not copied. Content that is there already and is not
 * the stored one is replaced, with a warning.
 */
export async function placeLayout(
  { bundle: id, texts }: Pick<DeployedRelease, 'bundle' | 'texts'>,
  { site, emit }: { readonly site: SiteFolder; readonly emit: Emit },
): Promise<void> {
  const folder = layoutFolder(site, id);
  const { bundle } = await loadRelease(site, id);
  if (await exists(folder)) await replaceChanged(site, { id, bundle }, emit);
  else await placeRelease(site, bundle, folder);
  for (const { sha256, text } of texts) {
    const path = join(folder, 'rendered', sha256);
    const bytes = Buffer.from(text);
    if ((await readIfThere(path, bytes.length).catch(() => undefined))?.equals(bytes) === true)
      continue;
    await makeFolder(dirname(path));
    await remove(path);
    await writeAtomic(path, bytes, 0o444);
  }
}

async function placeRelease(site: SiteFolder, bundle: Bundle, folder: string): Promise<void> {
  const temporary = `${folder}.partial`;
  await removePlaced(site, bundle, temporary);
  await makeFolder(temporary);
  await placeContents(site, bundle, temporary);
  await syncFolder(temporary);
  await renameIntoPlace(temporary, folder);
}

/** Removes the layout of a release; that of one whose index cannot be read, too. */
export async function removeLayout(site: SiteFolder, id: string): Promise<void> {
  const folder = layoutFolder(site, id);
  const release = await loadRelease(site, id).catch((error: unknown) => {
    if (!(error instanceof StowageError)) throw error;
  });
  if (release === undefined) await remove(folder);
  else await removePlaced(site, release.bundle, folder);
}

async function removePlaced(site: SiteFolder, bundle: Bundle, folder: string): Promise<void> {
  if (await exists(folder))
    await site.store.linking(linkedBlobs(bundle), async () => remove(folder));
}

/** The blobs that a layout links to. */
function linkedBlobs(bundle: Bundle): { readonly digest: Digest; readonly size: number }[] {
  const digests = new Set(
    laidOut(bundle).flatMap(({ digest, unpack }) => (unpack ? [] : [digest])),
  );
  return bundle.blobs.filter(({ digest }) => digests.has(digest));
}

function laidOut(bundle: Bundle): LaidOut[] {
  return fromBundle(bundle, (kind, item) => kind.layout(item));
}

/** Paths in the layout of a release, if it has one, whose content is not the stored one. Trusts the store. */
export async function changedPlaces(
  site: SiteFolder,
  { id, bundle }: Release,
): Promise<readonly string[]> {
  const folder = layoutFolder(site, id);
  if (!(await exists(folder))) return [];
  const changed: string[] = [];
  for (const each of laidOut(bundle))
    if (!(await isPlaced(site, each, folder))) changed.push(join(folder, each.path));
  return changed;
}

/**
 * Replaces what {@link changedPlaces} names, one rename each, with a warning. A service that runs keeps what it opened.
 * @param before what the site had of the bundle before an import: what is added to it is placed without a warning
 */
export async function replaceChanged(
  site: SiteFolder,
  release: Release,
  emit: Emit,
  before: Bundle = release.bundle,
): Promise<void> {
  const { id, bundle } = release;
  const folder = layoutFolder(site, id);
  const changed = new Set(await changedPlaces(site, release));
  if (changed.size === 0) return;
  await site.store.linking(linkedBlobs(bundle), async () => {
    for (const each of laidOut(bundle)) {
      const path = join(folder, each.path);
      if (!changed.has(path)) continue;
      const temporary = `${path}.stowage.partial`;
      await remove(temporary);
      await place(site.store.path(each.digest), temporary, each.unpack);
      // A folder cannot be renamed over another, nor a file over a folder.
      if (each.unpack || (await isFolder(path))) await remove(path);
      await renameIntoPlace(temporary, path);
    }
  });
  const had = new Set(laidOut(before).map(({ path }) => join(folder, path)));
  const wrong = new Set([...changed].filter((path) => had.has(path)));
  const [first] = wrong;
  if (first === undefined) return;
  const which = wrong.size === 1 ? `${first} was` : `${first} and ${wrong.size - 1} more were`;
  emit({
    type: 'warning',
    message: `placed files of release ${bundle.name} ${bundle.version} were damaged or changed: ${which} replaced`,
    hint: 'restart the services of this release: they may have the old content in memory',
  });
}

async function isPlaced(
  { store }: SiteFolder,
  { digest, path, unpack }: LaidOut,
  folder: string,
): Promise<boolean> {
  const placed = join(folder, path);
  if (unpack) return !(await exists(store.path(digest))) || isTreeOf(store.path(digest), placed);
  const [there, stored] = await Promise.all([statusOf(placed), statusOf(store.path(digest))]);
  // The store lacks it: there is nothing to compare with, or to put in its place.
  if (stored === undefined) return true;
  return there !== undefined && there.ino === stored.ino && there.dev === stored.dev;
}

async function isFolder(path: string): Promise<boolean> {
  return (await statusOf(path))?.isDirectory() === true;
}

/** Links and unpacks the content of a bundle below a folder. @throws StowageError `io-failed` */
export async function placeContents(
  site: SiteFolder,
  bundle: Bundle,
  folder: string,
): Promise<void> {
  await site.store.linking(linkedBlobs(bundle), async () => {
    for (const { digest, path, unpack } of laidOut(bundle))
      await place(site.store.path(digest), join(folder, path), unpack);
  });
}

async function place(blob: string, path: string, unpack: boolean): Promise<void> {
  try {
    if (unpack) {
      await makeFolder(path);
      await readTree(blob, path);
    } else {
      await makeFolder(dirname(path));
      await link(blob, path);
    }
  } catch (error) {
    throw ioError(error, path);
  }
}

/**
 * Places the installer of a release at `bin/stowage` of the site, with one rename. An existing installer stays if the
 * release has none for this platform, or a damaged one. A rollback keeps it too: an older program may not read what a newer one wrote.
 */
export async function offerInstaller(
  site: SiteFolder,
  { id, bundle }: Release,
  platform: string,
): Promise<void> {
  const installer = installerFor(bundle, platform);
  if (installer === undefined) return;
  const staged = join(releaseFolder(site, id), installer.path);
  // An earlier version of Stowage did not keep installers.
  if (!(await isSigned(staged, installer))) return;
  const temporary = site.path('bin', '.stowage.partial');
  await makeFolder(site.path('bin'));
  await remove(temporary);
  try {
    await link(staged, temporary);
    await rename(temporary, site.path('bin', 'stowage'));
    // A rename between two names of one file does nothing and leaves both.
    await remove(temporary);
    await syncFolder(site.path('bin'));
  } catch (error) {
    await remove(temporary);
    throw ioError(error, site.path('bin', 'stowage'));
  }
}

/** False if there is none. The installer runs as root. @throws StowageError `blob-damaged`, `io-failed` */
async function isSigned(path: string, installer: Installer): Promise<boolean> {
  // The release is installed: what interrupts the command now does not keep its installer from the site.
  const pool = new HashPool(new AbortController().signal, 1);
  try {
    const verdict = await verifyFile(path, installer, pool);
    if (verdict !== 'damaged') return verdict === 'intact';
  } finally {
    await pool.close();
  }
  throw new StowageError('blob-damaged', `the stored installer ${path} is damaged`, {
    expected: sriHex(installer.sha512),
    found: 'other content',
    hint: 'import the bundle of this release again',
  });
}

/** @throws StowageError `io-failed` */
export async function makeExecutable(path: string): Promise<void> {
  try {
    await chmod(path, 0o755);
  } catch (error) {
    throw ioError(error, path);
  }
}
