import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { MIB } from '../core/limits.ts';
import type {
  BlobSums,
  FollowAnswer,
  FollowKind,
  FollowTask,
  Identity,
  OtherHash,
} from './hash-task.ts';
import { startWorker } from './hashing.ts';

const MIN_WORKERS = 2;
const MAX_WORKERS = 4;
/** How many bytes SHA-512 may be behind the writers, over all files, before it is skipped and computed later on demand. */
const MAX_LAG_BYTES = 64 * MIB;

/** A growing file that two threads hash: one computes its identity, the other the sums that signatures cover. */
export interface Following {
  /** All bytes before this offset have been written. */
  reached(offset: number): void;
  /**
   * The hashes of the first `size` bytes; without sums if the bytes came faster than they can be computed. Rejects with
   * an error that has the system's code.
   */
  finish(size: number): Promise<{ identity: Identity; sums: BlobSums | undefined }>;
  /** Stops without a result, if {@link Following.finish} was not called. */
  drop(): Promise<void>;
}

/** Threads that hash files while they are written; a file stays with the threads that started it. */
export class FollowPool {
  readonly #width = Math.max(MIN_WORKERS, Math.min(availableParallelism(), MAX_WORKERS));
  readonly #workers: Worker[] = [];
  readonly #lanes = new Map<string, Lane>();
  /** Bytes that SHA-512 is behind. */
  #lag = 0;
  #outrun = false;
  #next = 0;
  #ids = 0;

  follow(path: string, other?: OtherHash): Following {
    const id = this.#ids++;
    const [identity, sums] = (['identity', 'sums'] as const).map((kind) => {
      const lane = new Lane({ follow: id, kind, path, ...(other && { other }) }, this.#take());
      this.#lanes.set(`${id} ${kind}`, lane);
      return lane;
    }) as [Lane, Lane];
    // A network that was faster once will be again: later files are not started at all.
    let behind = this.#outrun;
    let lag = 0;
    let begun: number | undefined;
    const fallBehind = (offset: number): void => {
      // Bytes of an earlier run do not count: they are not the speed of the network.
      begun ??= offset;
      const now = Math.min(offset - sums.done, offset - begun);
      this.#lag += now - lag;
      lag = now;
      this.#outrun ||= this.#lag > MAX_LAG_BYTES;
      behind ||= this.#outrun;
    };
    const end = (lane: Lane, after: 'finish' | 'drop', size: number): Promise<FollowAnswer> =>
      lane.ask(after, size).finally(() => {
        this.#lanes.delete(`${id} ${lane.kind}`);
        if (lane !== sums) return;
        this.#lag -= lag;
        lag = 0;
      });
    return {
      reached: (offset) => {
        identity.goOn(offset);
        fallBehind(offset);
        if (!behind) sums.goOn(offset);
      },
      finish: async (size) => {
        const found = end(identity, 'finish', size);
        const summed = end(sums, behind ? 'drop' : 'finish', size);
        const answers = await Promise.all([found, summed]);
        for (const { failure } of answers) {
          if (failure !== undefined)
            throw Object.assign(new Error(failure.message), { code: failure.code });
        }
        if (answers[0].identity === undefined) throw new Error('no hash');
        return { identity: answers[0].identity, sums: answers[1].sums };
      },
      drop: async () => {
        await Promise.all([end(identity, 'drop', 0), end(sums, 'drop', 0)]);
      },
    };
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.terminate()));
  }

  #take(): Worker {
    const index = this.#next++ % this.#width;
    const worker = this.#workers[index] ?? this.#spawn();
    this.#workers[index] = worker;
    return worker;
  }

  #spawn(): Worker {
    const worker = startWorker();
    worker.on('message', (answer: FollowAnswer) => {
      this.#lanes.get(`${answer.follow} ${answer.kind}`)?.hear(answer);
    });
    return worker;
  }
}

/** One hash of one file, in the thread that computes it. */
class Lane {
  /** End of the bytes known to be hashed. */
  done = 0;
  readonly #about: Pick<FollowTask, 'follow' | 'kind' | 'path' | 'other'>;
  readonly #worker: Worker;
  #resolve: ((answer: FollowAnswer) => void) | undefined;

  constructor(about: Pick<FollowTask, 'follow' | 'kind' | 'path' | 'other'>, worker: Worker) {
    this.#about = about;
    this.#worker = worker;
  }

  get kind(): FollowKind {
    return this.#about.kind;
  }

  goOn(upTo: number): void {
    this.#worker.postMessage({ ...this.#about, upTo, after: 'wait' } satisfies FollowTask);
  }

  ask(after: 'finish' | 'drop', upTo: number): Promise<FollowAnswer> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#worker.postMessage({ ...this.#about, upTo, after } satisfies FollowTask);
    });
  }

  /** An error is reported again by the final request. */
  hear(answer: FollowAnswer): void {
    if (answer.done !== undefined) this.done = answer.done;
    else this.#resolve?.(answer);
  }
}
