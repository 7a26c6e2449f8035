import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { type Bundle, bundleKind } from '../format/bundle.ts';
import { type Checksum, readChecksums } from '../format/checksums.ts';
import { readCanonical } from '../format/document.ts';
import { readListed, requireSum } from './bundle-files.ts';
import { namingInstaller } from './newer-bundle.ts';

/** What the lists of a folder say; no signature was looked at. */
export interface ReadIndex {
  /** SHA-512 of `SHA512SUMS`. */
  readonly id: string;
  readonly bundle: Bundle;
  readonly checksums: readonly Checksum[];
  /** The bytes of `SHA512SUMS`: what is signed. */
  readonly list: Buffer;
}

/** The index of a bundle's folder, or of a disc. @throws StowageError `bundle-absent`, `checksums-malformed`, `index-malformed`, `format-newer`, `part-damaged` */
export async function readIndex(folder: string): Promise<ReadIndex> {
  const bytes = await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent');
  const checksums = readChecksums(bytes);
  const index = await readListed(folder, 'bundle.json', MAX_INDEX_BYTES, 'bundle-absent');
  requireSum(checksums, 'bundle.json', index);
  const bundle = namingInstaller({ folder, checksums }, () => readCanonical(bundleKind, index));
  return { id: sriHex(sriOf(bytes)), bundle, checksums, list: bytes };
}

/** The index of discs that lie side by side, all of one bundle. @throws StowageError `bundle-mixed`, and as {@link readIndex} */
export async function readIndexes(folders: readonly string[]): Promise<ReadIndex> {
  const [place = '', ...others] = folders;
  const first = await readIndex(place);
  for (const folder of others) {
    const bytes = await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent');
    const id = sriHex(sriOf(bytes));
    if (id !== first.id) throw mixed(folder, first.id, id);
  }
  return first;
}

/** The error for discs of different bundles side by side. */
export function mixed(place: string, expected: string, found: string): StowageError {
  return new StowageError('bundle-mixed', `${place} holds discs of different bundles`, {
    expected,
    found,
    hint: 'put the discs of one bundle into one folder',
  });
}
