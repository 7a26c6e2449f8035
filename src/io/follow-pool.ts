import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
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

/** A file that grows, and is hashed in two threads while it does: one for who it is, one for what signatures cover. */
export interface Following {
  /** Tells that all bytes before this offset are written. */
  reached(offset: number): void;
  /** The hashes of the first `size` bytes. Rejects with an error that has the system's code. */
  finish(size: number): Promise<{ identity: Identity; sums: BlobSums }>;
  /** Forgets the file, when {@link Following.finish} was not called. */
  drop(): Promise<void>;
}

/** Threads that hash files while they are written; a file stays with the threads that began it. */
export class FollowPool {
  readonly #width = Math.max(MIN_WORKERS, Math.min(availableParallelism(), MAX_WORKERS));
  readonly #workers: Worker[] = [];
  readonly #waiting = new Map<string, (answer: FollowAnswer) => void>();
  #next = 0;
  #ids = 0;

  follow(path: string, other?: OtherHash): Following {
    const id = this.#ids++;
    const lanes = (['identity', 'sums'] as const).map((kind) => ({ kind, worker: this.#take() }));
    const task = (kind: FollowKind, upTo: number, then: FollowTask['then']): FollowTask => ({
      ...{ follow: id, kind, path, upTo, then },
      ...(other && { other }),
    });
    const ask = (then: 'finish' | 'drop', upTo: number): Promise<FollowAnswer[]> =>
      Promise.all(
        lanes.map(({ kind, worker }) => {
          const answer = new Promise<FollowAnswer>((resolve) => {
            this.#waiting.set(`${id} ${kind}`, resolve);
          });
          worker.postMessage(task(kind, upTo, then));
          return answer;
        }),
      );
    return {
      reached: (offset) => {
        for (const { kind, worker } of lanes) worker.postMessage(task(kind, offset, 'wait'));
      },
      finish: async (size) => {
        const [first, second] = await ask('finish', size);
        for (const answer of [first, second]) {
          if (answer?.failure === undefined) continue;
          throw Object.assign(new Error(answer.failure.message), { code: answer.failure.code });
        }
        if (first?.identity === undefined || second?.sums === undefined) throw new Error('no hash');
        return { identity: first.identity, sums: second.sums };
      },
      drop: async () => {
        await ask('drop', 0);
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
      const key = `${answer.follow} ${answer.kind}`;
      const resolve = this.#waiting.get(key);
      // A failure on the way is kept until somebody asks.
      if (resolve === undefined) return;
      this.#waiting.delete(key);
      resolve(answer);
    });
    return worker;
  }
}
