import { join } from 'node:path';
import { requireSum } from '../../bundle/bundle-files.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import { type Bundle, bundleKind } from '../../format/bundle.ts';
import { readChecksums } from '../../format/checksums.ts';
import { readCanonical } from '../../format/document.ts';
import { namesIn, readBounded } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';

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

/** A release's version as a tag of a registry, in which `+` may not stand. */
export function versionTag({ version }: Pick<Bundle, 'version'>): string {
  return version.replaceAll('+', '_');
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

/** Every release at this site, by name and number. @throws StowageError `state-damaged` */
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
 * The newest release that a person's text names: `NAME`, `NAME@VERSION`, or the first digits of a bundle's digest.
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
    expected: known.join(', ') || 'a release: none was imported yet',
    found: text,
    hint: 'stowage import brings a bundle in',
  });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function changed(folder: string): StowageError {
  return new StowageError('state-damaged', `${folder} was changed after it was staged`, {
    expected: 'the files that were admitted',
    found: 'others',
    hint: 'install the bundle again; find out who writes to the site folder',
  });
}
