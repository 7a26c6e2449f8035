import type { Branch } from '../content/branches.ts';
import { formatBytes, formatNumber } from '../core/amount.ts';

/** Lines shown of a list that is cut. */
const SHOWN = 16;

/** Branches as lines. A long list is cut, with a count of the rest. */
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
  // Replacing a single line by a count would save nothing.
  if (branches.length <= SHOWN + 1) return branches;
  const rest = branches.slice(SHOWN);
  const sizes = rest.map(({ size }) => size);
  const bytes = sizes.every((size) => size !== undefined)
    ? `, ${formatBytes(sizes.reduce((sum, size) => sum + size, 0))}`
    : '';
  return [
    ...branches.slice(0, SHOWN),
    { text: `… ${formatNumber(rest.length)} more${bytes}; use --all to show all` },
  ];
}
