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
