import { type Context, partInWords, Tally } from '../core/context.ts';
import { counted } from '../core/text.ts';
import { allParts } from '../format/bundle.ts';
import type { Part } from '../format/part.ts';
import { HashPool } from '../io/hashing.ts';
import { forEachBounded } from '../io/queue.ts';
import { readersFor } from '../io/seeking.ts';
import type { Admission } from './admitted-bundle.ts';
import { discNamed } from './discs.ts';
import { installerParts } from './installers.ts';
import { examinePart, type PartFault } from './part-check.ts';
import { throwWorst } from './worst-fault.ts';

/** The result of hashing the parts of a bundle. */
export interface PartVerdict {
  /** Parts that are as signed in at least one folder. */
  readonly whole: readonly Part[];
  /** Parts that are in none of the given folders. */
  readonly absent: readonly Part[];
  readonly faults: readonly PartFault[];
}

/**
 * Hashes every part and installer of an admitted bundle in place; a faulty one does not stop the others.
 * @throws StowageError `io-failed`, `interrupted`
 */
export async function examineParts(
  { bundle, discs }: Pick<Admission, 'bundle' | 'discs'>,
  { signal, emit }: Context,
): Promise<PartVerdict> {
  const parts = [...installerParts(bundle), ...allParts(bundle)];
  const places = discs.flatMap(({ folder, files }) =>
    parts.filter((part) => files.has(part.path)).map((part) => ({ part, folder })),
  );
  const total = places.reduce((sum, { part }) => sum + part.size, 0);
  emit({ type: 'step', step: 'verify', subject: counted(places.length, 'part') });
  const tally = new Tally(emit, 'verify', total);
  const onBytes = tally.add;
  let begun = 0;
  const whole = new Set<Part>();
  const faults: PartFault[] = [];
  const pool = new HashPool(signal);
  try {
    const readers = await readersFor(
      discs.map(({ folder }) => folder),
      pool.width,
    );
    await forEachBounded(places, readers, async ({ part, folder }) => {
      const disc = discNamed(folder, discs.length);
      begun += 1;
      tally.at(partInWords(begun, places.length, disc.disc));
      const fault = await examinePart(part, { bundle, folder, ...disc, pool, onBytes });
      if (fault === undefined) whole.add(part);
      else faults.push(fault);
    });
  } finally {
    await pool.close();
  }
  const there = new Set(places.map(({ part }) => part));
  const order = new Map(parts.map((part, index) => [part, index]));
  const at = ({ part }: PartFault): number => order.get(part) ?? 0;
  return {
    whole: parts.filter((part) => whole.has(part)),
    absent: parts.filter((part) => !there.has(part)),
    faults: faults.toSorted((a, b) => at(a) - at(b)),
  };
}

/**
 * Hashes every part and installer of an admitted bundle in place.
 * @throws StowageError `part-damaged`, `part-missing`, `file-kind` as {@link throwWorst}
 */
export async function verifyParts(admitted: Admission, context: Context): Promise<void> {
  const { faults } = await examineParts(admitted, context);
  throwWorst(faults.map(({ error }) => error));
}
