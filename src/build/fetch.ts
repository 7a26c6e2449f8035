import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type { BlobStore } from '../io/blob-store.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Origin } from '../source/origin.ts';

const MAX_BARREN_TRIES = 4;
const FIRST_WAIT_MS = 500;

/**
 * Receives one blob, going on where the line broke. Gives up when several tries in a row brought nothing.
 * @param onBytes hears of bytes as they come; negative for those that are thrown away
 */
export async function fetchBlob(
  store: BlobStore,
  expected: () => Expected,
  origin: Origin,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<Digest> {
  for (let barren = 0; ; ) {
    let offered = 0;
    let counted = 0;
    try {
      return await store.receive(
        expected(),
        (offset) => {
          offered = offset;
          return origin.open(offset, signal);
        },
        (bytes) => {
          counted += bytes;
          onBytes(bytes);
        },
      );
    } catch (error) {
      // What came stays on disk and is counted again by the next try.
      onBytes(-counted);
      if (signal.aborted) throw interrupted();
      if (!(error instanceof StowageError) || error.code !== 'source-unreachable') throw error;
      barren = counted > offered ? 0 : barren + 1;
      if (barren >= MAX_BARREN_TRIES) throw error;
      await sleep(FIRST_WAIT_MS * 2 ** barren, undefined, { signal }).catch(() => {
        throw interrupted();
      });
    }
  }
}

function interrupted(): StowageError {
  return new StowageError('interrupted', 'interrupted', {
    hint: 'run the same command again; it goes on where it stopped',
  });
}
