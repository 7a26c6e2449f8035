import { StowageError } from './error.ts';
import { MAX_PATH_BYTES, MAX_PATH_DEPTH, MAX_SEGMENT_BYTES } from './limits.ts';
import { codePoint, printable, quoted } from './text.ts';

declare const brand: unique symbol;

/** A relative path with `/` between segments that names the same file on every system, inside any folder. */
export type SafePath = string & { readonly [brand]: 'SafePath' };

// Characters that shells, Windows or file systems treat specially, and beyond ASCII what is not drawn or looks like a separator.
const ALLOWED =
  /^[A-Za-z0-9 ._+@=,()[\]-]$|^(?![\0-\x7f\p{DI}\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c\ufffc\ufffd])[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u;
const FIRST = /^[A-Za-z0-9_.]$|^[^\0-\x7f\p{M}]$/u;
const ASCII = /^[\x20-\x7e]*$/;
const MEDIA = /^[A-Za-z0-9._/-]+$/;
// Windows strips spaces before the dot, and counts superscript digits.
const DEVICE = /^(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.|$)/i;

// Safe except for device names: at most 32 names of A-Z a-z 0-9 . _ - that neither begin with - nor end in a dot.
export const PLAIN_PATH: RegExp =
  /^(?:[A-Za-z0-9_]|[A-Za-z0-9_.][A-Za-z0-9._-]*[A-Za-z0-9_-])(?:\/(?:[A-Za-z0-9_]|[A-Za-z0-9_.][A-Za-z0-9._-]*[A-Za-z0-9_-])){0,31}$/;
const PLAIN_DEVICE = /(?:^|\/)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\/|$)/i;

/** Why a path is unsafe, or undefined if it is safe. */
export function pathDefect(path: string): string | undefined {
  if (isPlain(path)) return undefined;
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `longer than ${MAX_PATH_BYTES} bytes`;
  if (path !== path.normalize('NFC')) return 'not in Unicode normalization form C';
  const segments = path.split('/');
  if (segments.length > MAX_PATH_DEPTH) return `deeper than ${MAX_PATH_DEPTH} folders`;
  for (const segment of segments) {
    const defect = segmentDefect(segment);
    if (defect !== undefined) return defect;
  }
  return undefined;
}

function isPlain(path: string): boolean {
  return path.length <= MAX_SEGMENT_BYTES && PLAIN_PATH.test(path) && !PLAIN_DEVICE.test(path);
}

function segmentDefect(segment: string): string | undefined {
  if (segment === '') return 'absolute, or has an empty segment';
  if (segment === '.' || segment === '..') return 'has a . or .. segment';
  if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES)
    return `has a name longer than ${MAX_SEGMENT_BYTES} bytes`;
  const characters = [...segment];
  const refused = characters.find((each) => !ALLOWED.test(each));
  if (refused !== undefined)
    return `has ${described(refused)}, which not every system allows in names`;
  const [first = ''] = characters;
  if (!FIRST.test(first)) return `has a name that starts with ${described(first)}`;
  if (/^\.{1,2}$/.test(segment.normalize('NFKC'))) return 'has a segment that looks like . or ..';
  if (segment.endsWith('.') || segment.endsWith(' '))
    return 'has a name that ends in a dot or a space';
  if (DEVICE.test(segment)) return 'has a name that is a device on some systems';
  return undefined;
}

/** A character as a message shows it: invisible ones by their code point alone. */
function described(character: string): string {
  const shown = printable(character);
  return shown === character
    ? `${codePoint(character)} "${character}"`
    : `the invisible character ${codePoint(character)}`;
}

/** @throws StowageError `path-unsafe` */
export function parseSafePath(path: string): SafePath {
  const defect = pathDefect(path);
  if (defect === undefined) return path as SafePath;
  throw new StowageError('path-unsafe', `unsafe path ${quoted(path)}`, {
    expected: 'a relative path of portable names',
    found: defect,
    hint: 'rename the file at its source, or exclude it in the manifest',
  });
}

/** Whether a path may be listed in `SHA512SUMS`: safe, and only of the characters `A-Z a-z 0-9 . _ - /`. */
export function isMediaPath(path: string): path is SafePath {
  return isPlain(path) || (MEDIA.test(path) && pathDefect(path) === undefined);
}

/**
 * The first two of these paths that name one file on a case-insensitive system, or of which one is a folder of the
 * other; undefined if all can exist together.
 */
export function pathCollision(paths: Iterable<string>): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  const folders = new Map<string, string>();
  // The folder of the previous path, with its slash: its own folders were checked.
  let last = '/';
  for (const path of paths) {
    const folded = foldCase(path);
    const twin = seen.get(folded) ?? folders.get(folded);
    if (twin !== undefined) return [twin, path];
    seen.set(folded, path);
    if (folded.startsWith(last) && !folded.includes('/', last.length)) continue;
    last = folded.slice(0, folded.lastIndexOf('/') + 1) || '/';
    for (let cut = folded.lastIndexOf('/'); cut > 0; cut = folded.lastIndexOf('/', cut - 1)) {
      const folder = folded.slice(0, cut);
      // Its own folders were checked when it was first seen.
      if (folders.has(folder)) break;
      const file = seen.get(folder);
      if (file !== undefined) return [file, path];
      folders.set(folder, path);
    }
  }
  return undefined;
}

function foldCase(path: string): string {
  if (ASCII.test(path)) return path.toUpperCase();
  // Lower and then upper case: σ and ς differ in lower case and have one upper-case letter.
  return path.normalize('NFC').toLowerCase().toUpperCase();
}
