import { join } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { type Bundle, bundleKind } from '../format/bundle.ts';
import { readChecksums } from '../format/checksums.ts';
import { readCanonical } from '../format/document.ts';
import { readBounded } from '../io/file.ts';
import { requireSum } from './bundle-files.ts';
import type { SiteFolder } from './site-folder.ts';

/** A bundle that was admitted and staged. */
export interface Release {
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly bundle: Bundle;
}

/** Whether a bundle carries word alone (recalls, trust documents), and nothing to run or to serve. */
export function isNotice(bundle: Bundle): boolean {
  return [bundle.models, bundle.images, bundle.files, bundle.services].every(
    (each) => each.length === 0,
  );
}

/** Where a release's control files lie. */
export function releaseFolder(site: SiteFolder, id: string): string {
  return site.path('releases', id.slice(0, 32));
}

/**
 * The release of a bundle's digest, checked against that digest again.
 * @throws StowageError `release-unknown`, `state-damaged`
 */
export async function loadRelease(site: SiteFolder, id: string): Promise<Release> {
  const folder = releaseFolder(site, id);
  try {
    const checksums = await readBounded(join(folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
    if (sriHex(sriOf(checksums)) !== id) throw changed(folder);
    const index = await readBounded(join(folder, 'bundle.json'), MAX_INDEX_BYTES);
    requireSum(readChecksums(checksums), 'bundle.json', index);
    return { id, bundle: readCanonical(bundleKind, index) };
  } catch (error) {
    if (error instanceof StowageError && error.code === 'part-damaged') throw changed(folder);
    if (!(error instanceof StowageError) || error.code !== 'file-missing') throw error;
    throw new StowageError(
      'release-unknown',
      `the release ${id.slice(0, 16)} is not at this site`,
      {
        expected: folder,
        found: 'nothing',
        hint: 'install the bundle of that release again',
        cause: error,
      },
    );
  }
}

function changed(folder: string): StowageError {
  return new StowageError('state-damaged', `${folder} was changed after it was staged`, {
    expected: 'the files that were admitted',
    found: 'others',
    hint: 'install the bundle again; find out who writes to the site folder',
  });
}
