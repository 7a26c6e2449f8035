import { bundleBlobs, describeAll, lockBlobs } from '../content/items.ts';
import { KIB, MIB } from '../core/limits.ts';
import type { Lock } from '../format/lock.ts';
import type { AssembleOptions } from './assemble.ts';
import { discSpace } from './deal.ts';
import { evenColumns, recoveryBytes } from './parity.ts';
import { sliceBlob } from './parts.ts';

/** Control files of a bundle beside its blobs, and what file systems need for themselves. */
const SPARE_BYTES = 16 * MIB;
/** Control files that every disc carries, beside what grows with the number of parts. */
const DISC_CONTROL_BYTES = MIB;
/** What a part takes in `bundle.json` and `SHA512SUMS`, at most. */
const PART_LINES_BYTES = KIB;

export type BundleShape = Pick<AssembleOptions, 'partSize' | 'parity' | 'discs' | 'installers'>;

/**
 * Bytes that a bundle takes on disk while it is packed, none too few: its blobs and installers, its recovery parts, and
 * what every disc has a copy of. Parts move to their disc and take their place once.
 */
export function bundleNeeds(lock: Lock, shape: Partial<BundleShape>): number {
  const { partSize = 0, parity: rows = 0, discs, installers = [] } = shape;
  const data = [...lockBlobs(lock).values()].reduce((sum, size) => sum + size, 0);
  const tools = installers.reduce((sum, { size }) => sum + size, 0);
  const whole = data + tools + SPARE_BYTES;
  const parts = bundleBlobs(lock, describeAll(lock)).flatMap((each) => sliceBlob(each, partSize));
  const even = rows === 0 ? 0 : recoveryBytes(evenColumns(parts), rows, parts);
  if (discs === undefined) return whole + even;
  const control = tools + DISC_CONTROL_BYTES + parts.length * PART_LINES_BYTES;
  const space = discSpace(discs.size, control);
  // A disc that cannot hold even the control files is refused by who deals.
  if (space <= 0) return whole + even;
  const recovery = discs.parity ? rows * Math.min(space, data) : even;
  const count = discs.parity
    ? Math.ceil(data / space) + rows
    : Math.ceil((data + recovery) / space);
  return whole + recovery + count * control;
}
