import { checkManifests } from '../../bundle/check-manifests.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { SiteFolder } from '../site-folder.ts';
import {
  listReleases,
  type RefusedRelease,
  type Release,
  type ReleaseList,
  refusedRelease,
} from './release.ts';

/**
 * Every release at this site whose manifests agree with its index.
 * @see listReleases
 */
export async function consistentReleases(site: SiteFolder): Promise<ReleaseList> {
  const { releases, refused } = await listReleases(site);
  const consistent: Release[] = [];
  const inconsistent: RefusedRelease[] = [];
  for (const each of releases) {
    try {
      await checkManifests(each.bundle, (digest, maxBytes) => readSound(site, digest, maxBytes));
      consistent.push(each);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      inconsistent.push(refusedRelease(site, each, error));
    }
  }
  return { releases: consistent, refused: [...refused, ...inconsistent] };
}

/** A damaged blob does not make a release inconsistent. */
async function readSound(
  { store }: SiteFolder,
  digest: Digest,
  maxBytes: number,
): Promise<Buffer | undefined> {
  try {
    return await store.read(digest, maxBytes);
  } catch (error) {
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}
