import { setTimeout as sleep } from 'node:timers/promises';
import type { Emit } from '../core/context.ts';
import { interrupted, StowageError } from '../core/error.ts';
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
  /** Whether large blobs are written past the page cache. */
  readonly uncached?: boolean;
}

/** Runs `work` with its own threads and connections, and closes them afterwards. */
export async function withTransfer<T>(
  options: Pick<Transfer, 'store' | 'signal' | 'emit' | 'partSize' | 'uncached'>,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T> {
  const { store, signal, emit, partSize, uncached = false } = options;
  const pool = new FollowPool(partSize);
  const connections = new Slots(MAX_CONNECTIONS);
  const size = partSize === undefined ? {} : { partSize };
  try {
    return await work({ store, signal, emit, pool, connections, uncached, ...size });
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

const MAX_FAILURES = 4;
const FIRST_WAIT_MS = 500;
const SHORT_WAIT_MS = 100;

/** Whether and when to retry a broken connection: immediately while each attempt makes progress, otherwise after increasing delays. */
export class Persistence {
  readonly #signal: AbortSignal;
  #failures = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Records that bytes arrived. */
  progress(): void {
    this.#failures = 0;
  }

  /**
   * Waits until the next attempt is due.
   * @param madeProgress whether bytes arrived in the failed attempt
   * @throws `error` if it is not a broken connection, or after too many attempts without progress; StowageError `interrupted`
   */
  async afterFailure(error: unknown, madeProgress: boolean): Promise<void> {
    if (this.#signal.aborted) throw interrupted(this.#signal);
    if (!(error instanceof StowageError) || error.code !== 'source-unreachable') throw error;
    this.#failures = madeProgress ? 0 : this.#failures + 1;
    if (this.#failures >= MAX_FAILURES) throw error;
    const wait = this.#failures === 0 ? SHORT_WAIT_MS : FIRST_WAIT_MS * 2 ** this.#failures;
    await sleep(wait, undefined, { signal: this.#signal }).catch(() => {
      throw interrupted(this.#signal);
    });
  }
}
