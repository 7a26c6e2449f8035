/** What a terminal so wide shows after it was written to: the sequences that progress is drawn with, and wrapping. */
export function screenText(written: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  const down = (): void => {
    row += 1;
    while (rows.length <= row) rows.push([]);
  };
  const tokens = /\u001b\[(\??)(\d*)([A-Za-z])|\r|\n|[\s\S]/gu;
  for (const [token, mode, count, letter] of written.matchAll(tokens)) {
    if (token === '\r') column = 0;
    else if (token === '\n') {
      down();
      column = 0;
    } else if (letter === undefined) {
      if (column === columns) {
        down();
        column = 0;
      }
      const line = rows[row] ?? [];
      while (line.length < column) line.push(' ');
      line[column] = token;
      rows[row] = line;
      column += 1;
    } else if (letter === 'A') row = Math.max(0, row - Number(count || 1));
    else if (letter === 'K') rows[row]?.splice(column);
    else if (letter === 'J') {
      rows[row]?.splice(column);
      rows.splice(row + 1);
    } else if (letter !== 'm' && mode !== '?')
      throw new Error(`unknown sequence ${token.slice(1)}`);
  }
  return rows.map((line) => line.join('').trimEnd());
}
