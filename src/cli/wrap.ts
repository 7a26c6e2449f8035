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
