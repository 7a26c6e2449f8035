import type { Branch } from '../content/branches.ts';
import { formatBytes, formatNumber } from '../core/text.ts';

/** Lines shown of a list that is cut. */
const SHOWN = 16;

/** How a tree is drawn. */
export interface TreeStyle {
  /** Show long lists in full. */
  readonly all: boolean;
  /** Without it, the tree is drawn in ASCII. */
  readonly unicode: boolean;
}

const strokes = {
  unicode: { item: '├─ ', last: '└─ ', below: '│  ', cut: '…' },
  ascii: { item: '|-- ', last: '`-- ', below: '|   ', cut: '...' },
} as const;

/** Branches as lines. A long list is cut, with a count of the rest. */
export function treeLines(branches: readonly Branch[], style: TreeStyle, indent = ''): string[] {
  const { item, last, below: bar, cut } = strokes[style.unicode ? 'unicode' : 'ascii'];
  const shown = style.all ? branches : fold(branches, cut);
  return shown.flatMap(({ text, below = [] }, index) => {
    const isLast = index === shown.length - 1;
    const further = isLast ? ' '.repeat(bar.length) : bar;
    return [
      `${indent}${isLast ? last : item}${typeof text === 'string' ? text : text()}`,
      ...treeLines(below, style, `${indent}${further}`),
    ];
  });
}

function fold(branches: readonly Branch[], cut: string): readonly Branch[] {
  // Replacing a single line by a count would save nothing.
  if (branches.length <= SHOWN + 1) return branches;
  const rest = branches.slice(SHOWN);
  const sizes = rest.map(({ size }) => size);
  const bytes = sizes.every((size) => size !== undefined)
    ? `, ${formatBytes(sizes.reduce((sum, size) => sum + size, 0))}`
    : '';
  return [
    ...branches.slice(0, SHOWN),
    { text: `${cut} ${formatNumber(rest.length)} more${bytes}; use --all to show all` },
  ];
}
