import { opendir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StowageError } from '../core/error.ts';

/** More entries are not read: the folder is not that of a bundle. */
const MAX_ENTRIES = 1000;
/** What file systems put in place of the end of a name: `~1` (FAT), `3F2A~1` (FAT, after four), a number (ISO 9660). */
const TAIL = /^(?:(?:[0-9a-f]{4})?~[0-9]{1,6}|[0-9]{1,6})?$/;

/**
 * The listed path that a medium would have stored as `found`: in other letters, with `_` for what the format does not
 * have, or shortened (ISO 9660 levels 1 to 3, Joliet, FAT 8.3). For messages only: the name is refused in any case.
 */
export function originalOf(found: string, listed: Iterable<string>): string | undefined {
  const parts = found.split('/');
  for (const path of listed) {
    const originals = path.split('/');
    if (path === found || originals.length !== parts.length) continue;
    if (parts.every((each, at) => isFormOf(each, originals[at] ?? ''))) return path;
  }
  return undefined;
}

/** The error for a missing file that is there under a changed name; undefined if it is not. */
export async function changedNameOf(
  folder: string,
  path: string,
): Promise<StowageError | undefined> {
  const place = dirname(join(folder, path));
  try {
    let entries = 0;
    for await (const { name } of await opendir(place)) {
      if (originalOf(name, [basename(path)]) !== undefined) return changedName(name, path);
      entries += 1;
      if (entries === MAX_ENTRIES) break;
    }
  } catch {
    // The caller reports the missing file.
  }
  return undefined;
}

/** @throws StowageError `part-missing` */
export function changedName(found: string, path: string): StowageError {
  return new StowageError('part-missing', 'the medium changed or shortened the names of files', {
    expected: path,
    found: JSON.stringify(found),
    hint: 'write the bundle to the medium again with Rock Ridge, which keeps names: xorriso -as mkisofs -r -iso-level 3 -o IMAGE BUNDLE',
  });
}

function isFormOf(found: string, original: string): boolean {
  if (found === original) return true;
  const form = split(found);
  const whole = split(original);
  const extension = sameLetters(form.extension, whole.extension);
  if (form.extension.length !== extension) return false;
  const same = sameLetters(form.base, whole.base);
  const isWhole = same === form.base.length && same === whole.base.length;
  if (isWhole && extension === whole.extension.length) return true;
  const tail = form.base.slice(same);
  if (tail.includes('~')) return same >= 2 && TAIL.test(tail);
  return same >= 6 && form.base.length <= whole.base.length && TAIL.test(tail);
}

/**
 * How many letters a name begins with that an original has there too. `_` stands for any letter: in a Turkish locale,
 * programs have no capital for `i`.
 */
function sameLetters(name: string, original: string): number {
  const most = Math.min(name.length, original.length);
  let same = 0;
  while (same < most && (name[same] === original[same] || name[same] === '_')) same += 1;
  return same;
}

/** A name as the poorest format stores it. */
function split(name: string): { base: string; extension: string } {
  const plain = name
    .toLowerCase()
    .replace(/;[0-9]+$/, '')
    .replace(/\.$/, '');
  const dot = plain.lastIndexOf('.');
  const [base, extension] = dot === -1 ? [plain, ''] : [plain.slice(0, dot), plain.slice(dot + 1)];
  return { base: base.replace(/[^a-z0-9~]/g, '_'), extension };
}
