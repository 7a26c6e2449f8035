/** Lines of at most `columns` characters, broken at spaces; a word that is longer has a line of its own. */
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

/** What a person reads on a screen so wide; a column of text wider than 100 reads badly. */
export function textColumns(columns: number | undefined): number {
  return Math.min(Math.max(columns || 80, 40), 100);
}

/** Named texts one below the other: the names in a column, each text wrapped beside its name. */
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
