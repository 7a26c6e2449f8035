import { chmod, link, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { installerFor } from '../../bundle/installers.ts';
import { exists, ioError, makeFolder, remove, syncFolder } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type Release, releaseFolder } from './release.ts';

/**
 * Places the installer of a release at `bin/stowage` of the site, with one rename. An existing installer stays if the
 * release has none for this platform. A rollback keeps it too: an older program may not read what a newer one wrote.
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
