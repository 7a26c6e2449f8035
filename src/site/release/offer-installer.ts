import { chmod, link, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { installerFor } from '../../bundle/installers.ts';
import { sriHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Installer } from '../../format/installer.ts';
import { ioError, remove, syncFolder } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { HashPool } from '../../io/hashing.ts';
import { verifyFile } from '../../io/verify-blob.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type Release, releaseFolder } from './release.ts';

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
