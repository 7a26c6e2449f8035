/** A table as lines, each column as wide as its longest cell; empty columns are left out. */
export function tableLines(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const used = headers.map((_, at) => rows.some((row) => (row[at] ?? '') !== ''));
  const shown = [headers, ...rows].map((row) => row.filter((_, at) => used[at]));
  const widths = headers
    .filter((_, at) => used[at])
    .map((_, at) => shown.reduce((most, row) => Math.max(most, row[at]?.length ?? 0), 0));
  return shown.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
