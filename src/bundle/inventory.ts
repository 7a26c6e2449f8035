import { dirname } from 'node:path';
import { StowageError } from '../core/error.ts';
import { type Bundle, bundleFiles } from '../format/bundle.ts';
import type { Checksum } from '../format/checksums.ts';
import { listMedia, type MediaEntry } from '../io/media.ts';
import { unexpected } from './bundle-files.ts';
import { changedName, originalOf } from './changed-name.ts';
import { throwWorst } from './worst-fault.ts';

/** The faults of one folder that are described. */
const MAX_FAULTS = 50;

/** @throws StowageError `index-mismatch` unless both lists name the same files with the same digests */
export function requireSameFiles(checksums: readonly Checksum[], bundle: Bundle): void {
  const listed = new Map(checksums.map((each) => [each.path, each.sha512]));
  listed.delete('bundle.json');
  for (const file of bundleFiles(bundle)) {
    if (listed.get(file.path) !== file.sha512) throw disagree(file.path);
    listed.delete(file.path);
  }
  for (const path of listed.keys()) throw disagree(path);
}

function disagree(path: string): StowageError {
  return new StowageError('index-mismatch', `SHA512SUMS and bundle.json disagree about ${path}`, {
    expected: 'the same files with the same digests in both',
    found: path,
    hint: 'do not use this bundle; ask the release engineer for another copy',
  });
}

/** What a folder holds, compared with the list. */
export interface Inventory {
  /** The listed files that are there. */
  readonly files: ReadonlySet<string>;
  /** `file-kind`, `part-missing` when the medium changed the name of a listed file, `file-unexpected`. */
  readonly faults: readonly StowageError[];
  /** The listed files that are not there, for a reason that one of the faults names. */
  readonly explained: ReadonlySet<string>;
}

export async function takeInventory(
  folder: string,
  checksums: readonly Checksum[],
): Promise<Inventory> {
  const listed = new Set(checksums.map((each) => each.path));
  const [files, explained] = [new Set<string>(), new Set<string>()];
  const foreign: string[] = [];
  const faults: StowageError[] = [];
  let inPlace = '';
  for (const { path, kind } of await listMedia(folder)) {
    if (inPlace !== '' && path.startsWith(inPlace)) continue;
    const fault = kindFault(path, kind, listed);
    if (fault !== undefined) {
      if (faults.length < MAX_FAULTS) faults.push(fault);
      explained.add(path);
      inPlace = `${path}/`;
    } else if (kind === 'folder') continue;
    else if (path === 'SHA512SUMS' || path.startsWith('signatures/')) continue;
    else if (listed.has(path)) files.add(path);
    else foreign.push(path);
  }
  const absent = foreign.length === 0 ? [] : [...listed].filter((each) => !files.has(each));
  for (const path of foreign) {
    if (faults.length >= MAX_FAULTS) break;
    const original = originalOf(path, absent);
    const lost = absent.filter((each) => dirname(each) === dirname(path));
    faults.push(original === undefined ? unexpected(path, lost) : changedName(path, original));
    if (original !== undefined) explained.add(original);
  }
  return { files, faults, explained };
}

function kindFault(
  path: string,
  kind: MediaEntry['kind'],
  listed: ReadonlySet<string>,
): StowageError | undefined {
  if (kind === 'other')
    return wrongKind(`${path} is a link or a device`, 'a link, device, pipe or socket');
  if (kind === 'folder' && listed.has(path))
    return wrongKind(`${path} is a folder in place of a file`, 'a folder');
  return undefined;
}

/**
 * The listed files that a folder holds.
 * @throws StowageError of {@link Inventory.faults}, the worst of them
 */
export async function listedFiles(
  folder: string,
  checksums: readonly Checksum[],
): Promise<ReadonlySet<string>> {
  const { files, faults } = await takeInventory(folder, checksums);
  throwWorst(faults);
  return files;
}

function wrongKind(message: string, found: string): StowageError {
  return new StowageError('file-kind', message, {
    expected: 'regular files, in folders',
    found,
    hint: 'copy the bundle again as plain files',
  });
}

/**
 * The error for listed files that none of the sets has; undefined if there are none.
 * @param incomplete what to do if the files were left out on purpose
 */
export function missingFiles(
  checksums: readonly Checksum[],
  found: readonly ReadonlySet<string>[],
  incomplete?: string,
): StowageError | undefined {
  const missing = checksums.filter(({ path }) => !found.some((each) => each.has(path)));
  const [first] = missing;
  if (first === undefined) return undefined;
  const count = missing.length;
  return new StowageError(
    'part-missing',
    `${count} of the bundle's files ${count === 1 ? 'is' : 'are'} missing`,
    {
      expected: first.path,
      found: 'nothing',
      hint: `the copy is incomplete: copy the missing files again from a complete copy, or give all discs${incomplete === undefined ? '' : `; ${incomplete}`}`,
      defects: missing.slice(0, 50).map(({ path }) => `missing: ${path}`),
    },
  );
}
