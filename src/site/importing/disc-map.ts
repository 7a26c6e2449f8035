import type { DiscNumber } from '../../format/disc-name.ts';

/** A disc that was seen: what its folder's name says, and which parts lay on it, by their place in the order. */
export interface SeenDisc extends DiscNumber {
  /** The first and the last; absent for a disc without parts. */
  readonly first?: number;
  readonly last?: number;
}

/** What can be told of discs from their names and contents. Nobody signed the names: it is for people alone. */
export interface DiscCount {
  /** The numbers of those that were seen, ascending. */
  readonly seen: readonly number[];
  /** How many there are, where all names agree. */
  readonly of?: number;
  /** The numbers of those on which missing parts can lie, ascending; none where names say nothing. */
  readonly missing: readonly number[];
}

/**
 * Infers on which discs missing parts lie: parts are dealt in order, so one that lies between those of discs 2 and 4
 * is on disc 3.
 * @param missing the places of missing parts in the order of all parts
 */
export function countDiscs(discs: readonly SeenDisc[], missing: readonly number[]): DiscCount {
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

/** Whether the numbers go up as the parts do; a name that lies is of no use. */
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
