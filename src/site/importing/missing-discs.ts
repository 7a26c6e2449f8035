import type { DiscNumber } from '../../format/part.ts';

/** A disc that was given: the number in its folder's name, and which parts it holds, by their index. */
export interface SeenDisc extends DiscNumber {
  /** Index of the first part; absent for a disc without parts. */
  readonly first?: number;
  readonly last?: number;
}

/** What the names and contents of discs tell. Names are not signed: use it only in messages. */
export interface DiscSummary {
  /** The numbers of the discs that were given, ascending. */
  readonly seen: readonly number[];
  /** The number of discs, where all names agree. */
  readonly of?: number;
  /** The numbers of discs that can hold missing parts, ascending; none where names tell nothing. */
  readonly missing: readonly number[];
}

/**
 * Infers which discs hold missing parts: parts are split across discs in order, so one between those of discs 2 and 4
 * is on disc 3.
 * @param missing the indexes of missing parts in the order of all parts
 */
export function inferMissingDiscs(
  discs: readonly SeenDisc[],
  missing: readonly number[],
): DiscSummary {
  const seen = [...new Set(discs.map((disc) => disc.number))].toSorted((a, b) => a - b);
  const counts = new Set(discs.map((disc) => disc.of));
  const [of] = counts;
  if (of === undefined || counts.size !== 1 || !inOrder(discs)) return { seen, missing: [] };
  const numbers = new Set<number>();
  for (const part of missing) for (const number of candidates(discs, of, part)) numbers.add(number);
  return { seen, of, missing: [...numbers].toSorted((a, b) => a - b) };
}

function candidates(discs: readonly SeenDisc[], of: number, part: number): number[] {
  let low = 1;
  let high = of;
  for (const { number, first, last } of discs) {
    if (first === undefined || last === undefined) continue;
    if (part >= first && part <= last) return [number];
    if (last < part) low = Math.max(low, number + 1);
    else high = Math.min(high, number - 1);
  }
  return Array.from({ length: Math.max(0, high - low + 1) }, (_, index) => low + index);
}

/** Whether disc numbers and parts ascend together; otherwise the names are wrong and of no use. */
function inOrder(discs: readonly SeenDisc[]): boolean {
  const full = discs
    .filter((disc) => disc.first !== undefined)
    .toSorted((a, b) => a.number - b.number);
  return full.every((disc, index) => {
    const before = full[index - 1];
    if (before === undefined) return true;
    if (before.number === disc.number)
      return before.first === disc.first && before.last === disc.last;
    return (before.last ?? 0) < (disc.first ?? 0);
  });
}
