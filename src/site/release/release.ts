import { join } from 'node:path';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import { namesIn, readBounded } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import { readStoredBundle } from '../stored-bundle.ts';

/** An imported bundle. */
export interface Release {
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly bundle: Bundle;
}

/** The folder of a release's control files. */
export function releaseFolder(site: SiteFolder, id: string): string {
  return site.path('releases', id.slice(0, 32));
}

/**
 * The release of a bundle, checked against its id again.
 * @throws StowageError `release-unknown`, `state-damaged`
 */
export async function loadRelease(site: SiteFolder, id: string): Promise<Release> {
  const folder = releaseFolder(site, id);
  const bundle = await readStoredBundle(folder, id);
  if (bundle !== undefined) return { id, bundle };
  throw new StowageError('release-unknown', `the release ${id.slice(0, 16)} is not at this site`, {
    expected: folder,
    found: 'nothing',
    hint: 'import the bundle of that release again',
  });
}

/** Every release at this site, by name and sequence. @throws StowageError `state-damaged` */
export async function stagedReleases(site: SiteFolder): Promise<Release[]> {
  const folder = site.path('releases');
  const names = await namesIn(folder);
  const releases: Release[] = [];
  for (const name of names.filter((each) => /^[0-9a-f]{32}$/.test(each))) {
    const checksums = await readBounded(join(folder, name, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
    releases.push(await loadRelease(site, sriHex(sriOf(checksums))));
  }
  return releases.toSorted(
    (a, b) => compareText(a.bundle.name, b.bundle.name) || a.bundle.seq - b.bundle.seq,
  );
}

/**
 * The newest release that matches a text: `NAME`, `NAME@VERSION`, or at least 12 digits of a bundle's id.
 * @throws StowageError `release-unknown`
 */
export async function findRelease(site: SiteFolder, text: string): Promise<Release> {
  const releases = await stagedReleases(site);
  const found = releases.findLast(
    ({ id, bundle }) =>
      [bundle.name, `${bundle.name}@${bundle.version}`].includes(text) ||
      (/^[0-9a-f]{12,128}$/.test(text) && id.startsWith(text)),
  );
  if (found !== undefined) return found;
  const known = releases.map(({ bundle }) => `${bundle.name}@${bundle.version}`);
  throw new StowageError('release-unknown', `no release ${text} was imported at this site`, {
    expected: known.join(', ') || 'a release, but none has been imported',
    found: text,
    hint: 'run stowage import to import a bundle',
  });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
