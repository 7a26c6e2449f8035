import { join } from 'node:path';
import { readStoredBundle } from '../../bundle/read-index.ts';
import { type PartNames, partNames, partsNotIn, withParts } from '../../content/optional.ts';
import type { StowageEvent } from '../../core/context.ts';
import { type Digest, sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import type { Bundle, BundleBlob } from '../../format/bundle.ts';
import { namesIn, readBounded } from '../../io/file.ts';
import type { BlobSums } from '../../io/hash-task.ts';
import type { ListedBlob } from '../../io/verify-blob.ts';
import type { SiteFolder } from '../site-folder.ts';
import { readChosen } from './chosen-parts.ts';

/** An imported bundle. */
export interface Release {
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  /** What the site has of it: without the optional parts that were not imported. */
  readonly bundle: Bundle;
  /** The bundle as it was signed, if the site does not have all of its optional parts. */
  readonly signed?: Bundle;
}

/** The bundle of a release as it was signed, also what of it is not at the site. */
export function signedBundle({ bundle, signed }: Release): Bundle {
  return signed ?? bundle;
}

/** The optional parts of a release that are not at the site. */
export function partsNotHeld(release: Release): string[] {
  return partsNotIn(signedBundle(release), partNames(release.bundle));
}

/** The optional parts of a release that a generation does without. @param parts those that it has */
export function partsNotRun(release: Release, parts: readonly string[]): string[] {
  return partsNotIn(signedBundle(release), new Set(parts));
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
  if (bundle !== undefined) return asHeld(id, bundle, await readChosen(folder, bundle));
  throw new StowageError('release-unknown', `the release ${id.slice(0, 16)} is not at this site`, {
    expected: folder,
    found: 'nothing',
    hint: 'import the bundle of that release again',
  });
}

/** A release of which a site has these optional parts. */
export function asHeld(id: string, bundle: Bundle, parts: PartNames): Release {
  const held = withParts(bundle, parts);
  return held === bundle ? { id, bundle } : { id, bundle: held, signed: bundle };
}

/** The sums of a blob that the signed index lists. */
export function sumsOf({ partSize }: Bundle, { parts }: BundleBlob): BlobSums {
  return { partSize, parts: parts.map(({ sha512, crc32 }) => ({ sha512, crc32 })) };
}

export function listedBlob(bundle: Bundle, blob: BundleBlob): ListedBlob {
  return { digest: blob.digest, size: blob.size, sums: sumsOf(bundle, blob) };
}

/** Every blob of releases, once, with a bundle that lists it. */
export function uniqueBlobs(releases: readonly Release[]): Map<BundleBlob, Bundle> {
  const blobs = new Map<Digest, readonly [BundleBlob, Bundle]>();
  for (const { bundle } of releases)
    for (const blob of bundle.blobs) blobs.set(blob.digest, [blob, bundle]);
  return new Map(blobs.values());
}

/** A release at this site that cannot be used. */
export interface RefusedRelease {
  readonly folder: string;
  /** `name version`, or the name of its folder if the index cannot be read. */
  readonly name: string;
  readonly error: StowageError;
}

/** The releases at a site. */
export interface ReleaseList {
  /** By name and sequence. */
  readonly releases: readonly Release[];
  readonly refused: readonly RefusedRelease[];
}

/**
 * Every release at this site. One that cannot be read does not hide the others.
 * @param known a release that is there and need not be read again: its index may be large
 */
export async function listReleases(site: SiteFolder, known?: Release): Promise<ReleaseList> {
  const releases: Release[] = [];
  const refused: RefusedRelease[] = [];
  const names = await namesIn(site.path('releases'));
  for (const name of names.filter((each) => /^[0-9a-f]{32}$/.test(each))) {
    const folder = site.path('releases', name);
    if (known !== undefined && folder === releaseFolder(site, known.id)) {
      releases.push(known);
      continue;
    }
    try {
      const checksums = await readBounded(join(folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
      releases.push(await loadRelease(site, sriHex(sriOf(checksums))));
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      refused.push({ folder, name, error });
    }
  }
  releases.sort((a, b) => compareText(a.bundle.name, b.bundle.name) || a.bundle.seq - b.bundle.seq);
  return { releases, refused };
}

/** A release whose index can be read, and which cannot be used all the same. */
export function refusedRelease(
  site: SiteFolder,
  { id, bundle }: Release,
  error: StowageError,
): RefusedRelease {
  return { folder: releaseFolder(site, id), name: `${bundle.name} ${bundle.version}`, error };
}

/** A warning about a release that is left out. */
export function refusedWarning({ name, error }: RefusedRelease): StowageEvent {
  const { message, hint, found } = error;
  const details = found === undefined ? '' : ` (found ${found})`;
  return {
    type: 'warning',
    message: `release ${name} is left out: ${message}${details} [${error.code}]`,
    hint: contradicts(error)
      ? 'remove it with stowage gc, and ask the release engineer for a corrected bundle'
      : hint,
  };
}

/** Whether what was signed is inconsistent, so that no copy of it can be used. */
export function contradicts({ code }: StowageError): boolean {
  return code === 'index-mismatch' || code === 'index-malformed';
}

/**
 * The newest release that matches a text: `NAME`, `NAME@VERSION`, or at least 12 digits of a bundle's id.
 * @throws StowageError `release-unknown`
 */
export async function findRelease(site: SiteFolder, text: string): Promise<Release> {
  const { releases, refused } = await listReleases(site);
  const found = releases.findLast(
    ({ id, bundle }) =>
      [bundle.name, `${bundle.name}@${bundle.version}`].includes(text) ||
      (/^[0-9a-f]{12,128}$/.test(text) && id.startsWith(text)),
  );
  if (found !== undefined) return found;
  const bad = refused.find(({ name }) => /^[0-9a-f]{12,32}$/.test(text) && name.startsWith(text));
  if (bad !== undefined) throw bad.error;
  const known = releases.map(({ bundle }) => `${bundle.name}@${bundle.version}`);
  throw new StowageError('release-unknown', `no release ${text} was imported at this site`, {
    expected: known.join(', ') || 'a release, but none has been imported',
    found: text,
    hint: 'run stowage import to import a bundle; stowage install --dry-run BUNDLE plans one that was not imported',
    defects: refused.map(({ name, error }) => `release ${name} cannot be used: ${error.message}`),
  });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
