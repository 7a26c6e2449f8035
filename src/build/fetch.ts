import type { Digest } from '../core/digest.ts';
import type { OnBytes } from '../core/tally.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Origin } from '../source/origin.ts';
import { fetchInOrder } from './fetch-in-order.ts';
import { fetchInParts, MIN_PARTS_BYTES } from './fetch-parts.ts';
import type { Transfer } from './transfer.ts';

/**
 * Brings one blob into the store, going on where the line broke: several stretches of a large one at once, where its
 * source gives stretches. Gives up when several tries in a row brought nothing.
 * @param onBytes hears of bytes as they come; negative for those that are thrown away
 */
export async function fetchBlob(
  transfer: Transfer,
  expected: Expected,
  origin: Origin,
  onBytes: OnBytes = () => {},
): Promise<Digest> {
  const { size } = expected;
  const { part } = origin;
  return part !== undefined && size !== undefined && size >= MIN_PARTS_BYTES
    ? fetchInParts(transfer, { ...expected, size }, { ...origin, part }, onBytes)
    : fetchInOrder(transfer, expected, origin, onBytes);
}
