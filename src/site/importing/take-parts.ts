import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { discNamed } from '../../bundle/discs.ts';
import { examinePart, type PartFault } from '../../bundle/part-check.ts';
import { partInWords, type Tally } from '../../core/tally.ts';
import type { Part } from '../../format/part.ts';
import type { HashPool } from '../../io/hashing.ts';
import { forEachBounded } from '../../io/queue.ts';
import { readersFor } from '../../io/seeking.ts';
import { isLost } from './medium.ts';
import type { Staging } from './staging.ts';

/** How many small parts are synced and noted at once. */
export const LOOSE_TOGETHER = 512;

/** What was wrong with media while parts were taken from them. */
export interface CopyFailures {
  readonly faults: PartFault[];
  /** The folders of media that went away. */
  readonly lost: Set<string>;
}

/**
 * Copies parts from the media into staging: each read once, hashed, written, fsynced, journalled, small ones
 * together. One that is
 * damaged is looked for on the other discs that were given; every other part is taken all the same.
 * @throws StowageError `space-insufficient`, `io-failed`, `interrupted`
 */
export async function takeParts(
  parts: readonly Part[],
  { bundle, discs }: AdmittedBundle,
  staging: Staging,
  pool: HashPool,
  tally: Tally,
): Promise<CopyFailures> {
  const trouble: CopyFailures = { faults: [], lost: new Set() };
  const untouched = new Set(parts);
  const examineAt = async (part: Part, folder: string): Promise<PartFault | undefined> => {
    const disc = discNamed(folder, discs.length);
    const loose = staging.isLoose(part);
    const place = staging.keeps(part) ? { ...staging.place(part), loose } : undefined;
    return examinePart(part, { bundle, folder, ...disc, pool, onBytes: tally.add }, place);
  };
  const others = (files: ReadonlySet<string>): Part[] =>
    [...untouched].filter((part) => files.has(part.path));
  let begun = 0;
  const take = async (part: Part): Promise<boolean> => {
    untouched.delete(part);
    begun += 1;
    for (const { folder, files } of discs) {
      if (!files.has(part.path) || trouble.lost.has(folder)) continue;
      if (staging.keeps(part) && !staging.isLoose(part)) await staging.allocate(part);
      tally.at(partInWords(begun, parts.length, discNamed(folder, discs.length).disc));
      const fault = await examineAt(part, folder);
      if (fault === undefined) return true;
      if (fault.unreadable && (await isLost(folder, others(files)))) trouble.lost.add(folder);
      else trouble.faults.push(fault);
    }
    return false;
  };
  const readers = await readersFor(
    discs.map(({ folder }) => folder),
    pool.width,
  );
  await forEachBounded(groupsOf(parts, staging), readers, async (group) => {
    const taken: Part[] = [];
    for (const part of group) if (await take(part)) taken.push(part);
    const [only] = taken;
    if (only !== undefined && !staging.isLoose(only)) await staging.keep(only);
    else await staging.commitBatch(taken);
  });
  return trouble;
}

/** Parts in their order: a large one by itself, small ones some hundred together. */
function* groupsOf(parts: readonly Part[], staging: Staging): Iterable<Part[]> {
  let small: Part[] = [];
  for (const part of parts) {
    if (staging.isLoose(part)) {
      small.push(part);
      if (small.length < LOOSE_TOGETHER) continue;
      yield small;
      small = [];
    } else yield [part];
  }
  if (small.length > 0) yield small;
}
