import type { Branch } from '../content/branches.ts';
import { formatBytes, formatNumber } from '../core/amount.ts';

/** How many lines of one list are shown, where not all are. */
const SHOWN = 16;

/** Branches as lines; of a long list the first, and how many more there are. */
export function treeLines(branches: readonly Branch[], all: boolean, indent = ''): string[] {
  const shown = all ? branches : fold(branches);
  return shown.flatMap(({ text, below = [] }, index) => {
    const last = index === shown.length - 1;
    return [
      `${indent}${last ? '└─' : '├─'} ${typeof text === 'string' ? text : text()}`,
      ...treeLines(below, all, `${indent}${last ? '   ' : '│  '}`),
    ];
  });
}

function fold(branches: readonly Branch[]): readonly Branch[] {
  // What takes one line to leave out is shown.
  if (branches.length <= SHOWN + 1) return branches;
  const rest = branches.slice(SHOWN);
  const sizes = rest.map(({ size }) => size);
  const bytes = sizes.every((size) => size !== undefined)
    ? `, ${formatBytes(sizes.reduce((sum, size) => sum + size, 0))}`
    : '';
  return [
    ...branches.slice(0, SHOWN),
    { text: `… ${formatNumber(rest.length)} more${bytes}: --all shows them` },
  ];
}
