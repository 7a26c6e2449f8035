import { chmod, link, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bundle } from '../../format/bundle.ts';
import type { Installer } from '../../format/installer.ts';
import type { Part } from '../../format/part.ts';
import { exists, ioError, makeFolder, remove, syncFolder } from '../../io/file.ts';
import { type Release, releaseFolder } from './release.ts';
import type { SiteFolder } from '../site-folder.ts';

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

/** @throws StowageError `io-failed` */
export async function makeExecutable(path: string): Promise<void> {
  try {
    await chmod(path, 0o755);
  } catch (error) {
    throw ioError(error, path);
  }
}
