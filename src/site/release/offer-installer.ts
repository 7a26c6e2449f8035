import { chmod, link, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { installerFor } from '../../bundle/installers.ts';
import { exists, ioError, makeFolder, remove, syncFolder } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type Release, releaseFolder } from './release.ts';

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
