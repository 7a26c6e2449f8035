import type { Digest } from '../core/digest.ts';
import type { OnBytes } from '../core/tally.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Origin } from '../source/origin.ts';
import { fetchInParts, MIN_PARTS_BYTES } from './fetch-parts.ts';
import { Persistence } from './persistence.ts';
import { type Transfer, waitNotice } from './transfer.ts';

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

/** Receives one blob over one connection after the other, from its first byte to its last. */
export async function fetchInOrder(
  { store, signal, emit, connections, partSize }: Omit<Transfer, 'pool'>,
  expected: Expected,
  origin: Origin,
  onBytes: OnBytes,
): Promise<Digest> {
  const persistence = new Persistence(signal);
  const onWait = waitNotice(emit, expected.label ?? origin.description);
  const size = partSize === undefined ? {} : { partSize };
  for (;;) {
    let offered = 0;
    let counted = 0;
    const count: OnBytes = (bytes, kept) => {
      counted += bytes;
      onBytes(bytes, kept);
    };
    try {
      return await connections.hold(() =>
        store.receive(
          expected,
          (offset) => {
            offered = offset;
            return origin.open(offset, signal);
          },
          { onBytes: count, onWait, signal, ...size },
        ),
      );
    } catch (error) {
      // What came stays on disk and is counted again by the next try.
      onBytes(-counted);
      await persistence.afterFailure(error, counted > offered);
    }
  }
}
