import type { Emit } from '../core/context.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { FollowPool } from '../io/follow-pool.ts';
import { Slots } from '../io/queue.ts';

/** The maximum number of simultaneous connections of a run. */
const MAX_CONNECTIONS = 8;

/** The resources of a run that downloads blobs into the store. */
export interface Transfer {
  readonly store: BlobStore;
  readonly signal: AbortSignal;
  readonly pool: FollowPool;
  readonly connections: Slots;
  readonly emit: Emit;
  /** The part size for which checksums are recorded, in bytes; 0 for whole blobs. Absent for the default part size. */
  readonly partSize?: number;
}

/** Runs `work` with its own threads and connections, and closes them afterwards. */
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

/** Reports, once, that another run is downloading the same content. */
export function waitNotice(emit: Emit, label: string): (pid: number) => void {
  return (pid) => {
    emit({
      type: 'warning',
      message: `process ${pid} is already downloading ${label}; waiting for it`,
    });
  };
}
