import { GIB, KIB, MIB } from './limits.ts';

/**
 * Code points that a terminal or browser interprets or does not draw: controls, text direction, invisible characters,
 * spaces other than U+0020, unpaired surrogates, private use, noncharacters. Letters and combining marks of natural
 * languages are not included. The flag `g` makes it suitable for `replace` only.
 */
export const INVISIBLE: RegExp =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{DI}\p{Noncharacter_Code_Point}]|(?! )\p{Zs}/gu;

/** Foreign text as one line in which every {@link INVISIBLE} character is its code point, `<U+202E>`; nothing is dropped. */
export function printable(text: string): string {
  return text.replace(INVISIBLE, codePointEscape);
}

/** {@link printable}, but line feeds and tabs are kept. */
export function printableLines(text: string): string {
  return text.replace(INVISIBLE, (character) =>
    character === '\n' || character === '\t' ? character : codePointEscape(character),
  );
}

/**
 * Foreign text of any number of lines as one {@link printable} line: white space is collapsed.
 * @param max UTF-16 code units; a longer text ends in `...`
 */
export function oneLine(text: string, max = 200): string {
  return cutTo(printable(text.replace(/\s+/gu, ' ').trim()), max);
}

/** The beginning of a text, with `...` if it was truncated. @param max UTF-16 code units */
export function cutTo(text: string, max: number): string {
  if (text.length <= max) return text;
  // Not between the halves of a surrogate pair.
  return `${text.slice(0, max - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** JSON in which every {@link INVISIBLE} character is an escape such as `\u202e`: the same values, safe to show. */
export function printableJson(json: string): string {
  return json.replace(INVISIBLE, (character) =>
    character === '\n' ? character : escapeUnits(character),
  );
}

/** Foreign text in quotes, as one {@link printable} line. @param max UTF-16 code units of the text */
export function quoted(text: string, max = 200): string {
  return `"${printable(cutTo(text, max))}"`;
}

/** The code point of a character: `U+202E`. */
export function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

function codePointEscape(character: string): string {
  return `<${codePoint(character)}>`;
}

function escapeUnits(character: string): string {
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');
}

/** A number of bytes for people: `1.50 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes >= GIB) return `${(bytes / GIB).toFixed(2)} GiB`;
  if (bytes >= MIB) return `${(bytes / MIB).toFixed(1)} MiB`;
  if (bytes >= KIB) return `${(bytes / KIB).toFixed(1)} KiB`;
  return `${bytes} B`;
}

/** An exact number with its digits in groups: `5,000`. */
export function formatNumber(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** A number with its noun: `1 file`, `2,000 files`. */
export function formatAmount(value: number, noun: string): string {
  return `${formatNumber(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** A count without digit groups, for messages: `1 part`, `12 parts`. */
export function counted(count: number | bigint, one: string, many = `${one}s`): string {
  return `${count} ${Number(count) === 1 ? one : many}`;
}

/** A rounded and an exact number of bytes: `1.50 GiB (1610612736 bytes)`. */
export function exactBytes(bytes: number): string {
  const exact = `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return bytes < KIB ? exact : `${formatBytes(bytes)} (${exact})`;
}

/** A duration for people: `350 ms`, `12.4 s`, `4 min 13 s`, `2 h 5 min`. @param milliseconds at least 0 */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Wraps a text at spaces into lines of at most `columns` characters. A longer word gets its own line. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** The start of an item of a list. */
const ITEM = /^(?:[*-]|\d+\.) /;
const INDENTED = /^ +[*-] /;

/**
 * Fills the paragraphs and lists of a plain text to lines of at most `columns` characters. Further lines of an item are
 * indented below its text. Indented blocks and items, such as commands and tables, stay as they are.
 */
export function fill(text: string, columns: number): string {
  return text
    .split(/(\n{2,}|\n$)/)
    .map((block, index) => (index % 2 === 1 || /^ /.test(block) ? block : filled(block, columns)))
    .join('');
}

function filled(block: string, columns: number): string {
  const items: string[] = [];
  for (const line of block.split('\n')) {
    if (items.length === 0 || ITEM.test(line) || INDENTED.test(line)) items.push(line);
    else items.push(`${items.pop()} ${line.trim()}`);
  }
  return items
    .flatMap((item) => {
      if (INDENTED.test(item)) return [item];
      const [label = ''] = ITEM.exec(item) ?? [];
      return wrap(item.slice(label.length), columns - label.length).map(
        (line, index) => `${index === 0 ? label : ' '.repeat(label.length)}${line}`,
      );
    })
    .join('\n');
}

/** The name that was probably meant; undefined if none is similar. */
export function nearest(text: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replace(/[_-]/g, '');
  const wanted = plain(text);
  // The beginning of a name is as near as one wrong letter.
  const near = (name: string): number =>
    wanted.length >= 3 && name.startsWith(wanted) ? 1 : distance(wanted, name);
  const [best] = names
    .map((name) => ({ name, distance: near(plain(name)) }))
    .toSorted((a, b) => a.distance - b.distance);
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  return best !== undefined && best.distance <= limit ? best.name : undefined;
}

/** How many letters must be changed, added, removed or swapped with their neighbor. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let row = 0; row <= a.length; row += 1) {
    for (let column = 0; column <= b.length; column += 1) {
      let least = row === 0 || column === 0 ? row + column : Number.POSITIVE_INFINITY;
      if (row > 0 && column > 0) {
        const same = a[row - 1] === b[column - 1] ? 0 : 1;
        least = Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + same,
        );
        if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
          least = Math.min(least, at(row - 2, column - 2) + 1);
      }
      (rows[row] as number[])[column] = least;
    }
  }
  return at(a.length, b.length);
}

/** The hex digits of a SHA-256 fingerprint. */
export const FINGERPRINT_DIGITS = 64;

/** Normalizes a fingerprint that a user typed with colons, spaces or upper-case letters. */
export function normalizeFingerprint(text: string): string {
  return text
    .replace(/^sha-?256(?: fingerprint)?[:= ]/i, '')
    .replace(/[:\s]/g, '')
    .toLowerCase();
}

/**
 * Why text is not a number of lower-case hex digits; undefined if it is.
 * @param least the fewest digits it may have
 * @param most the most digits it may have
 */
export function digitsDefect(text: string, least: number, most: number): string | undefined {
  const foreign = /[^0-9a-f]/u.exec(text)?.[0];
  if (foreign !== undefined) return `${JSON.stringify(foreign)} is not a hexadecimal digit`;
  if (text.length >= least && text.length <= most) return undefined;
  return `${counted(text.length, 'digit')} given, ${text.length < least ? least : most} needed`;
}
