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
