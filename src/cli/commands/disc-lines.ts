import { basename } from 'node:path';
import { counted, formatBytes } from '../../core/amount.ts';
import type { Part } from '../../format/part.ts';

/** One line per disc: its name, parts and size, without control files. */
export function discLines(
  discs: readonly string[],
  runs: readonly (readonly Pick<Part, 'size'>[])[],
): string {
  return discs
    .map((disc, index) => {
      const run = runs[index] ?? [];
      const bytes = run.reduce((sum, part) => sum + part.size, 0);
      return `  ${basename(disc)}: ${counted(run.length, 'part')}, ${formatBytes(bytes)}\n`;
    })
    .join('');
}
