import type { OnBytes } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Origin } from '../source/origin.ts';
import { fetchInParts, MIN_PARTS_BYTES } from './fetch-parts.ts';
import { Persistence } from './persistence.ts';
import { type Transfer, waitNotice } from './transfer.ts';

/**
 * Downloads one blob into the store, and resumes where the connection broke. Ranges of a large blob are downloaded in
 * parallel if its source supports ranges. Fails after several attempts in a row without progress.
 * @param onBytes called with the number of bytes received; negative for bytes that are discarded
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

/** Downloads one blob from its first byte to its last, over one connection at a time. */
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
      // The received bytes stay on disk; the next attempt counts them again.
      onBytes(-counted);
      await persistence.afterFailure(error, counted > offered);
    }
  }
}
