import { join } from 'node:path';
import { installerFor } from '../../bundle/installers.ts';
import { partNames } from '../../content/optional.ts';
import { StowageError } from '../../core/error.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import { namesIn, remove, statusOf } from '../../io/file.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { surveyLedger } from '../ledger/site-ledger.ts';
import { hasChosen, readChosen } from '../release/chosen-parts.ts';
import { loadRelease, type Release, releaseFolder, signedBundle } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { knownDamage } from '../store-damage.ts';
import { stagingFolder } from './staging.ts';

/**
 * The ids of staged bundles that the site has already: each was accepted, all that it and the import were to have is stored,
 * and none of it is known to be damaged. What is left in such a staging folder is of an import that failed, or of a repair
 * that other media completed. Nothing is hashed.
 * @param entries of the site's ledger; read if absent, and if anything is staged
 * @throws StowageError `io-failed`
 */
export async function redundantStagings(
  site: SiteFolder,
  entries?: readonly LedgerEntry[],
): Promise<ReadonlySet<string>> {
  const staged = await namesIn(site.path('staging'));
  if (staged.length === 0) return new Set();
  const known = entries ?? (await surveyLedger(site)).entries;
  const accepted = new Set(
    known.flatMap(({ event }) => (event.kind === 'accepted' ? [event.bundle] : [])),
  );
  const found = new Set<string>();
  for (const id of staged) if (accepted.has(id) && (await isComplete(site, id))) found.add(id);
  return found;
}

/** Removes the staging folders of {@link redundantStagings}. For the holder of the site's lock. @throws StowageError `io-failed` */
export async function removeRedundantStagings(
  site: SiteFolder,
  entries: readonly LedgerEntry[],
): Promise<void> {
  for (const id of await redundantStagings(site, entries)) await remove(stagingFolder(site, id));
}

/** What cannot be read counts as incomplete: an import replaces it. */
async function isComplete(site: SiteFolder, id: string): Promise<boolean> {
  try {
    const release = await loadRelease(site, id);
    if (await wantsMore(site, release)) return false;
    const damaged = new Set((await knownDamage(site))?.files.map(({ path }) => path));
    for (const { path, size } of filesOf(site, release)) {
      const status = await statusOf(path);
      if (status?.isFile() !== true || Number(status.size) !== size) return false;
      if (damaged.has(path)) return false;
    }
    return true;
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    return false;
  }
}

/** Whether the import was to add optional parts. */
async function wantsMore(site: SiteFolder, release: Release): Promise<boolean> {
  const folder = stagingFolder(site, release.id);
  if (!(await hasChosen(folder))) return false;
  const held = partNames(release.bundle);
  const chosen = await readChosen(folder, signedBundle(release));
  return [...chosen].some((each) => !held.has(each));
}

/** The stored blobs of a release, and the installer for this host. */
function filesOf(
  site: SiteFolder,
  { id, bundle }: Release,
): { readonly path: string; readonly size: number }[] {
  const blobs = bundle.blobs.map(({ digest, size }) => ({ path: site.store.path(digest), size }));
  const own = installerFor(bundle, hostPlatform());
  if (own === undefined) return blobs;
  return [...blobs, { path: join(releaseFolder(site, id), own.path), size: own.size }];
}
