import { chmod, link, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bundle, Part } from '../format/bundle.ts';
import type { Installer } from '../format/installer.ts';
import { allocate, exists, ioError, makeFolder, remove, syncFolder } from '../io/file.ts';
import type { HashPool } from '../io/hashing.ts';
import { checkPart } from './part-check.ts';
import { type Release, releaseFolder } from './release.ts';
import type { SiteFolder } from './site-folder.ts';

/** A bundle's installers, each as a part that is read, hashed and compared like any other. */
export function installerParts({ installers = [] }: Bundle): Part[] {
  return installers.map(({ path, size, sha512, crc32 }) => ({
    ...{ path, offset: 0, size, sha512, crc32 },
  }));
}

/** The installer for a platform that a bundle carries. */
export function installerFor(bundle: Bundle, platform: string): Installer | undefined {
  return bundle.installers?.find((each) => each.platform === platform);
}

/**
 * Compares every installer of a bundle with what was signed, and copies the one for this platform into a folder.
 * @throws StowageError as {@link checkPart}
 */
export async function stageInstallers(
  bundle: Bundle,
  media: string,
  folder: string,
  platform: string,
  pool: HashPool,
): Promise<void> {
  const own = installerFor(bundle, platform);
  for (const part of installerParts(bundle)) {
    if (part.path !== own?.path) {
      await checkPart(bundle, media, part, pool, () => {});
      continue;
    }
    const path = join(folder, part.path);
    await allocate(path, part.size);
    await checkPart(bundle, media, part, pool, () => {}, { path, offset: 0 });
    await makeExecutable(path);
  }
}

/**
 * Offers the installer of a release as `bin/stowage` of the site, in one rename. What lies there already stays when
 * the release has none for this platform. A rollback changes nothing there: what newer wrote, older may not read.
 */
export async function offerInstaller(
  site: SiteFolder,
  { id, bundle }: Release,
  platform: string,
): Promise<void> {
  const installer = installerFor(bundle, platform);
  if (installer === undefined) return;
  const staged = join(releaseFolder(site, id), installer.path);
  // Staged by a version of ours that kept none.
  if (!(await exists(staged))) return;
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

async function makeExecutable(path: string): Promise<void> {
  try {
    await chmod(path, 0o755);
  } catch (error) {
    throw ioError(error, path);
  }
}
