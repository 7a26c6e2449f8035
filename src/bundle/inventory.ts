import { dirname } from 'node:path';
import { StowageError } from '../core/error.ts';
import { type Bundle, bundleFiles } from '../format/bundle.ts';
import type { Checksum } from '../format/checksums.ts';
import { listMedia, type MediaEntry } from '../io/media.ts';
import { unexpected } from './bundle-files.ts';
import { changedName, originalOf } from './changed-name.ts';

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

/**
 * The listed files that a folder holds.
 * @throws StowageError `file-kind`, `part-missing` when the medium changed the name of a listed file, `file-unexpected`
 * when it holds anything else
 */
export async function listedFiles(
  folder: string,
  checksums: readonly Checksum[],
): Promise<ReadonlySet<string>> {
  const listed = new Set(checksums.map((each) => each.path));
  const found = new Set<string>();
  const entries = await listMedia(folder);
  for (const entry of entries) {
    if (entry.kind === 'other')
      throw wrongKind(`${entry.path} is a link or a device`, 'a link, device, pipe or socket');
    if (entry.kind === 'folder') {
      if (!listed.has(entry.path)) continue;
      throw wrongKind(`${entry.path} is a folder in place of a file`, 'a folder');
    }
    if (entry.path === 'SHA512SUMS' || entry.path.startsWith('signatures/')) continue;
    if (!listed.has(entry.path)) throw foreign(entry.path, listed, entries);
    found.add(entry.path);
  }
  return found;
}

/** An unlisted file: one whose name the medium changed, if the listed one is not there, or an intruder. */
function foreign(
  path: string,
  listed: ReadonlySet<string>,
  entries: readonly MediaEntry[],
): StowageError {
  const present = new Set(entries.map((each) => each.path));
  const absent = [...listed].filter((each) => !present.has(each));
  const original = originalOf(path, absent);
  if (original !== undefined) return changedName(path, original);
  return unexpected(
    path,
    absent.filter((each) => dirname(each) === dirname(path)),
  );
}

function wrongKind(message: string, found: string): StowageError {
  return new StowageError('file-kind', message, {
    expected: 'regular files, in folders',
    found,
    hint: 'copy the bundle again as plain files',
  });
}

/** @throws StowageError `part-missing` unless every listed file was found in one of the folders */
export function requireAll(
  checksums: readonly Pick<Checksum, 'path'>[],
  found: readonly ReadonlySet<string>[],
): void {
  const missing = checksums.filter(({ path }) => !found.some((each) => each.has(path)));
  const [first] = missing;
  if (first === undefined) return;
  const count = missing.length;
  throw new StowageError(
    'part-missing',
    `${count} of the bundle's files ${count === 1 ? 'is' : 'are'} missing`,
    {
      expected: first.path,
      found: 'nothing',
      hint: 'the copy is incomplete: copy the missing files again from a complete copy, or give all discs',
      defects: missing.slice(0, 50).map(({ path }) => `missing: ${path}`),
    },
  );
}
