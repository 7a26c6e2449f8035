import { join } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { type Bundle, bundleKind } from '../format/bundle.ts';
import { readChecksums } from '../format/checksums.ts';
import { readCanonical } from '../format/document.ts';
import { readBounded } from '../io/file.ts';
import { requireSum } from './bundle-files.ts';

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
