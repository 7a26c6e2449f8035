import { type Column, columnsOf, type Parity, type Part } from '../../format/part.ts';

/** A byte range across all columns in which the same columns have missing parts. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  /** The columns with missing bytes in this range, ascending. */
  readonly lost: readonly number[];
  /** The index of the recovery part in each row that covers the range. */
  readonly stripe: number;
}

/** What can be rebuilt, and from which rows. */
export interface RebuildPlan {
  readonly columns: readonly Column[];
  /** The ranges that can be rebuilt, ascending. */
  readonly stretches: readonly (Stretch & { readonly rows: readonly number[] })[];
  /** The parts that rebuilding all ranges completes. */
  readonly parts: ReadonlySet<Part>;
}

/** The ranges with missing parts, each as long as possible within one stripe. */
function stretchesOf(
  parity: Parity,
  columns: readonly Column[],
  missing: ReadonlySet<Part>,
): Stretch[] {
  const edges = new Map<number, { column: number; by: 1 | -1 }[]>();
  const edge = (at: number, column: number, by: 1 | -1): void => {
    edges.set(at, [...(edges.get(at) ?? []), { column, by }]);
  };
  columns.forEach(({ parts }, column) => {
    for (const { part, start } of parts) {
      if (!missing.has(part) || part.size === 0) continue;
      edge(start, column, 1);
      edge(start + part.size, column, -1);
    }
  });
  const ends = [...edges.keys()].toSorted((a, b) => a - b);
  const open = columns.map(() => 0);
  const stretches: Stretch[] = [];
  ends.forEach((from, index) => {
    for (const { column, by } of edges.get(from) ?? []) open[column] = (open[column] ?? 0) + by;
    const lost = open.flatMap((count, column) => (count > 0 ? [column] : []));
    const to = ends[index + 1];
    if (to === undefined || lost.length === 0) return;
    for (let at = from; at < to; ) {
      const stripe = Math.floor(at / parity.stripe);
      const end = Math.min(to, (stripe + 1) * parity.stripe);
      const last = stretches.at(-1);
      if (last?.to === at && last.stripe === stripe && last.lost.join() === lost.join())
        stretches[stretches.length - 1] = { ...last, to: end };
      else stretches.push({ from: at, to: end, lost, stripe });
      at = end;
    }
  });
  return stretches;
}

/**
 * Which missing parts can be rebuilt with the recovery parts at the site.
 * @param has whether a part's bytes are at the site
 */
export function planRebuild(
  parity: Parity,
  parts: readonly Part[],
  has: (part: Part) => boolean,
): RebuildPlan {
  const columns = columnsOf(parity.columns, parts);
  const missing = new Set(parts.filter((part) => !has(part)));
  const rowsAt = (stripe: number): number[] =>
    parity.rows.flatMap((row, index) => {
      const part = row[stripe];
      return part !== undefined && has(part) ? [index] : [];
    });
  const all = stretchesOf(parity, columns, missing).map((stretch) => ({
    ...stretch,
    rows: rowsAt(stretch.stripe).slice(0, stretch.lost.length),
  }));
  const whole = wholeParts(columns, missing, all);
  const useful = all.filter(
    (stretch) => stretch.rows.length === stretch.lost.length && wantedIn(columns, stretch, whole),
  );
  return { columns, stretches: useful, parts: whole };
}

/** The missing parts with enough rows for each of their ranges; empty parts need none. */
function wholeParts(
  columns: readonly Column[],
  missing: ReadonlySet<Part>,
  stretches: RebuildPlan['stretches'],
): Set<Part> {
  const whole = new Set(missing);
  for (const stretch of stretches) {
    if (stretch.rows.length === stretch.lost.length) continue;
    for (const column of stretch.lost)
      for (const { part } of partsWithin(columns[column], stretch)) whole.delete(part);
  }
  return whole;
}

function wantedIn(
  columns: readonly Column[],
  stretch: Stretch,
  wanted: ReadonlySet<Part>,
): boolean {
  return stretch.lost.some((column) =>
    partsWithin(columns[column], stretch).some(({ part }) => wanted.has(part)),
  );
}

/** The parts of a column with bytes in a range; uses binary search, since columns can have very many parts. */
export function partsWithin(
  column: Column | undefined,
  { from, to }: Pick<Stretch, 'from' | 'to'>,
): Column['parts'] {
  const parts = column?.parts ?? [];
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { part, start } = parts[middle] as Column['parts'][number];
    if (start + part.size <= from) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < parts.length && (parts[end] as Column['parts'][number]).start < to) end += 1;
  return parts.slice(low, end);
}

/**
 * The recovery parts to copy: for each stripe, as many as the highest number of columns with missing bytes at one
 * position, less those at the site.
 * @param found whether the medium can deliver a recovery part
 */
export function wantedRecovery(
  parity: Parity,
  parts: readonly Part[],
  has: (part: Part) => boolean,
  found: (part: Part) => boolean,
): Part[] {
  const columns = columnsOf(parity.columns, parts);
  const missing = new Set(parts.filter((part) => !has(part)));
  const needed = new Map<number, number>();
  for (const { stripe, lost } of stretchesOf(parity, columns, missing))
    needed.set(stripe, Math.max(needed.get(stripe) ?? 0, lost.length));
  return [...needed].flatMap(([stripe, count]) => {
    const rows = parity.rows.flatMap((row) => row[stripe] ?? []);
    const more = count - rows.filter(has).length;
    return rows.filter((part) => !has(part) && found(part)).slice(0, Math.max(0, more));
  });
}
