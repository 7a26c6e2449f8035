import type { Part } from '../format/part.ts';
import type { HashPool } from '../io/hashing.ts';
import { forEachBounded } from '../io/queue.ts';
import type { AdmittedBundle } from './admitted-bundle.ts';
import { discNamed } from './discs.ts';
import { isLost } from './medium.ts';
import { examinePart, type PartFault } from './part-check.ts';
import type { Staging } from './staging.ts';

/** What was wrong with media while parts were taken from them. */
export interface TakeTrouble {
  readonly faults: PartFault[];
  /** The folders of media that went away. */
  readonly lost: Set<string>;
}

/**
 * Copies parts from the media into staging: each read once, hashed, written, fsynced, journalled. One that is
 * damaged is looked for on the other discs that were given; every other part is taken all the same.
 * @throws StowageError `space-insufficient`, `io-failed`, `interrupted`
 */
export async function takeParts(
  parts: readonly Part[],
  { bundle, discs }: AdmittedBundle,
  staging: Staging,
  pool: HashPool,
  onBytes: (bytes: number) => void,
): Promise<TakeTrouble> {
  const trouble: TakeTrouble = { faults: [], lost: new Set() };
  const untouched = new Set(parts);
  const examineAt = async (part: Part, folder: string): Promise<PartFault | undefined> => {
    const disc = discNamed(folder, discs.length);
    const place = staging.keeps(part) ? staging.place(part) : undefined;
    return examinePart(part, { bundle, folder, ...disc, pool, onBytes }, place);
  };
  const others = (files: ReadonlySet<string>): Part[] =>
    [...untouched].filter((part) => files.has(part.path));
  await forEachBounded(parts, pool.width, async (part) => {
    untouched.delete(part);
    for (const { folder, files } of discs) {
      if (!files.has(part.path) || trouble.lost.has(folder)) continue;
      if (staging.keeps(part)) await staging.allocate(part);
      const fault = await examineAt(part, folder);
      if (fault === undefined) {
        await staging.keep(part);
        return;
      }
      if (fault.unreadable && (await isLost(folder, others(files)))) trouble.lost.add(folder);
      else trouble.faults.push(fault);
    }
  });
  return trouble;
}
