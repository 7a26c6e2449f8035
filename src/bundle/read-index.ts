import { join } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { type Bundle, bundleKind } from '../format/bundle.ts';
import { type Checksum, readChecksums } from '../format/checksums.ts';
import { readCanonical } from '../format/document.ts';
import { readBounded } from '../io/file.ts';
import { readListed, requireSum } from './bundle-files.ts';

const INSTALLER = /^stowage-[a-z0-9]+-[a-z0-9]+$/;

/** What the lists in a folder contain; no signature was checked. */
export interface ReadIndex {
  /** SHA-512 of `SHA512SUMS`. */
  readonly id: string;
  readonly bundle: Bundle;
  readonly checksums: readonly Checksum[];
  /** The bytes of `SHA512SUMS`: what is signed. */
  readonly list: Buffer;
}

/** The index of a bundle's folder, or of a disc. @throws StowageError `bundle-absent`, `part-missing`, `checksums-malformed`, `index-malformed`, `format-newer`, `part-damaged` */
export async function readIndex(folder: string): Promise<ReadIndex> {
  const bytes = await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent');
  const checksums = readChecksums(bytes);
  const index = await readListed(folder, 'bundle.json', MAX_INDEX_BYTES, 'part-missing');
  requireSum(checksums, 'bundle.json', index);
  const bundle = withInstallerHint({ folder, checksums }, () => readCanonical(bundleKind, index));
  return { id: sriHex(sriOf(bytes)), bundle, checksums, list: bytes };
}

/** The index of several discs, which must belong to one bundle. @throws StowageError `bundle-mixed`, and as {@link readIndex} */
export async function readIndexes(folders: readonly string[]): Promise<ReadIndex> {
  const [place = '', ...others] = folders;
  const first = await readIndex(place);
  for (const folder of others) {
    const id = await readId(folder);
    if (id !== first.id) throw mixed(folder, first.id, id);
  }
  return first;
}

/** The id of the bundle that a folder says it is of; nothing is parsed. @throws StowageError `bundle-absent` */
export async function readId(folder: string): Promise<string> {
  return sriHex(
    sriOf(await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent')),
  );
}

/** A `bundle-mixed` error. */
export function mixed(place: string, expected: string, found: string): StowageError {
  return new StowageError('bundle-mixed', `${place} holds discs of different bundles`, {
    expected,
    found,
    hint: 'put the discs of one bundle into one folder',
  });
}

/** A bundle's folder and the list of its files. */
export interface ListedBundle {
  /** Undefined for a bundle that arrives through a pipe. */
  readonly folder: string | undefined;
  readonly checksums: readonly Checksum[];
}

/**
 * Calls `read`. If it rejects a bundle of a newer format, the error names the installers in the bundle. The list of files
 * must be verified.
 * @throws StowageError `format-newer`, and everything that `read` throws
 */
export function withInstallerHint<T>({ folder, checksums }: ListedBundle, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'format-newer') throw error;
    const installers = checksums.map(({ path }) => path).filter((path) => INSTALLER.test(path));
    const place = folder === undefined ? '' : ` in ${folder}`;
    const { message, expected = '', found = '' } = error;
    throw new StowageError('format-newer', message, {
      ...{ expected, found, cause: error },
      hint:
        installers.length === 0
          ? 'this bundle contains no installer: ask the release engineer for the version of stowage that packed it'
          : `run the installer in this bundle instead: ${installers.join(' or ')}${place}`,
    });
  }
}

/**
 * The index of a bundle in a folder of the site, checked against the bundle's id again before it is parsed.
 * @param id SHA-512 of its `SHA512SUMS`, 128 hex digits
 * @returns undefined if one of the two files is missing
 * @throws StowageError `state-damaged` if they are not those that were admitted
 */
export async function readStoredBundle(folder: string, id: string): Promise<Bundle | undefined> {
  try {
    const checksums = await readBounded(join(folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
    const found = sriHex(sriOf(checksums));
    if (found !== id) throw changed(folder, id, found);
    const index = await readBounded(join(folder, 'bundle.json'), MAX_INDEX_BYTES);
    requireSum(readChecksums(checksums), 'bundle.json', index);
    return readCanonical(bundleKind, index);
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    if (error.code === 'file-missing') return undefined;
    if (error.code !== 'part-damaged') throw error;
    throw changed(folder, error.expected, error.found);
  }
}

function changed(folder: string, expected = '', found = ''): StowageError {
  return new StowageError('state-damaged', `${folder} was changed after the bundle was imported`, {
    expected,
    found,
    hint: 'find out what changed it, remove this folder, and import the bundle again',
  });
}
