import { wrap } from '../core/text.ts';

/** Starts of lines whose further lines are indented below their text. */
const LABEL = /^(?: *(?:expected: |found: {4}|hint: |- )| +)/;

/**
 * Wraps each line of a text between words, with further lines indented. A word that is longer than a line, such as a path
 * or a digest, is not split.
 * @param columns undefined leaves the text as it is
 */
export function wrapLines(text: string, columns: number | undefined): string {
  if (columns === undefined) return text;
  return text
    .split('\n')
    .flatMap((line) => {
      if (line.length <= columns) return [line];
      const [label = ''] = LABEL.exec(line) ?? [];
      const indent = label === '' ? 2 : label.length;
      return wrap(line.slice(label.length), Math.max(columns - indent, 20)).map(
        (each, index) => `${index === 0 ? label : ' '.repeat(indent)}${each}`,
      );
    })
    .join('\n');
}

/** A command as an example, indented. A long one is continued with a backslash before an option. */
export function commandLines(command: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '  ';
  for (const piece of command.split(/ (?=--|>)/)) {
    const longer = line.trim() === '' ? line + piece : `${line} ${piece}`;
    // Room for the backslash.
    if (line.trim() !== '' && longer.length > columns - 2) {
      lines.push(`${line} \\`);
      line = `      ${piece}`;
    } else line = longer;
  }
  return [...lines, line];
}

/** The width for text on a terminal of this width: 40 to 100 columns. */
export function textColumns(columns: number | undefined): number {
  return Math.min(Math.max(columns || 80, 40), 100);
}

/** A list of definitions: names in the first column, each text wrapped in the second. */
export function definitions(
  pairs: readonly (readonly [name: string, ...texts: string[]])[],
  columns: number,
): string[] {
  const width = Math.max(0, ...pairs.map(([name]) => name.length)) + 2;
  return pairs.flatMap(([name, ...texts]) =>
    texts
      .flatMap((text) => wrap(text, columns - width))
      .map((line, index) => `${(index === 0 ? name : '').padEnd(width)}${line}`),
  );
}
