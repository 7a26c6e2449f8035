import type { Emit } from '../core/event.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { FollowPool } from '../io/follow-pool.ts';
import { Slots } from '../io/queue.ts';

/** Connections at once, over all blobs of a run. */
const MAX_CONNECTIONS = 8;

/** What a run has open while it brings blobs into the store. */
export interface Transfer {
  readonly store: BlobStore;
  readonly signal: AbortSignal;
  readonly pool: FollowPool;
  readonly connections: Slots;
  readonly emit: Emit;
  /** The part size for which sums are recorded, in bytes; 0 for whole blobs, the default where absent. */
  readonly partSize?: number;
}

/** Runs `work` with threads and connections of its own, and ends them. */
export async function withTransfer<T>(
  options: Pick<Transfer, 'store' | 'signal' | 'emit' | 'partSize'>,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T> {
  const { store, signal, emit, partSize } = options;
  const pool = new FollowPool(partSize);
  const connections = new Slots(MAX_CONNECTIONS);
  const size = partSize === undefined ? {} : { partSize };
  try {
    return await work({ store, signal, emit, pool, connections, ...size });
  } finally {
    await pool.close();
  }
}

/** Tells once that another run is fetching the same. */
export function waitNotice(emit: Emit, label: string): (pid: number) => void {
  return (pid) => {
    emit({
      type: 'warning',
      message: `${label} is being fetched by process ${pid}; waiting for it`,
    });
  };
}
