import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { systemCode } from '../core/error.ts';
import { type DiscNumber, parseDiscName } from '../format/disc-name.ts';
import { exists, ioError } from '../io/file.ts';

/**
 * The folders that a person means: a bundle or a disc is itself; a folder that holds `disc-K-of-N` folders (a medium,
 * or what `pack` wrote) means those, by number. Nothing is judged here.
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
    // What is not there, or is no folder, is refused where it is read, in better words.
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

/** What the folder's name says of a disc; a hint for people, as nobody signed it. */
export function discNumber(folder: string): DiscNumber | undefined {
  return parseDiscName(basename(folder));
}

/** Whether folders are discs, of which each may stand alone. */
export function onDiscs(folders: readonly string[]): boolean {
  const [first = ''] = folders;
  return folders.length > 1 || discNumber(first) !== undefined;
}

/** The disc that a message about one of its files names; nothing where the bundle is whole in one folder. */
export function discNamed(folder: string, count: number): { readonly disc?: string } {
  if (count === 1 && discNumber(folder) === undefined) return {};
  return { disc: discLabel(folder) };
}

/** What a disc is called in messages: its own name, or its folder where that says nothing. */
export function discLabel(folder: string): string {
  return discNumber(folder) === undefined ? folder : basename(folder);
}
