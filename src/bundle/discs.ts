import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { systemCode } from '../core/error.ts';
import { type DiscNumber, parseDiscName } from '../format/part.ts';
import { exists, ioError } from '../io/file.ts';

/**
 * Expands a folder that holds `disc-K-of-N` folders (a medium, or the output of `pack`) to those, by number; a bundle or a
 * disc is returned as it is. Nothing is verified here.
 */
export async function findDiscs(places: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const place of places) {
    const discs = (await exists(join(place, 'SHA512SUMS'))) ? [] : await discsIn(place);
    found.push(...(discs.length === 0 ? [place] : discs));
  }
  return [...new Set(found)];
}

async function discsIn(place: string): Promise<string[]> {
  let names: string[];
  try {
    names = (await readdir(place, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    // A missing folder is reported where it is read, with a better message.
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return [];
    throw ioError(error, place);
  }
  return names
    .flatMap((name) => {
      const number = parseDiscName(name);
      return number === undefined ? [] : [{ name, number: number.number }];
    })
    .toSorted((a, b) => a.number - b.number || (a.name < b.name ? -1 : 1))
    .map(({ name }) => join(place, name));
}

/** The disc number in a folder's name; only for messages, since names are not signed. */
export function discNumber(folder: string): DiscNumber | undefined {
  return parseDiscName(basename(folder));
}

/** Whether the folders are discs, so that some of the bundle may be on others. */
export function onDiscs(folders: readonly string[]): boolean {
  const [first = ''] = folders;
  return folders.length > 1 || discNumber(first) !== undefined;
}

/** The disc to name in a message about one of its files; empty if one folder holds the complete bundle. */
export function discNamed(folder: string, count: number): { readonly disc?: string } {
  if (count === 1 && discNumber(folder) === undefined) return {};
  return { disc: discLabel(folder) };
}

/** The name of a disc in messages: its folder's name if that is a disc name, otherwise the full path. */
export function discLabel(folder: string): string {
  return discNumber(folder) === undefined ? folder : basename(folder);
}
