const MAX_LENGTH = 3900;

/** Text of errors and certificates as one line of a report: control characters become visible, length has an end. */
export function oneLine(text: string): string {
  const visible = text
    .toWellFormed()
    .replace(
      /[\p{Cc}\u2028\u2029]/gu,
      (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
    );
  return visible.length <= MAX_LENGTH
    ? visible
    : `${visible.slice(0, MAX_LENGTH).toWellFormed()} (cut: ${visible.length} characters)`;
}
