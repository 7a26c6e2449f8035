import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { type Sri, sriFromHex } from '../core/digest.ts';
import { DEFAULT_PART_BYTES } from '../core/limits.ts';
import type {
  BlobSums,
  FollowAnswer,
  FollowStep,
  FollowTask,
  Identity,
  OtherHash,
  PassingTask,
  PieceSums,
  Stretch,
} from './hash-task.ts';
import { startWorker } from './hashing.ts';

const MIN_WORKERS = 2;
const MAX_WORKERS = 4;
const NONE = new Uint8Array();

/** A growing file that threads hash: one computes its identity, others the sums that signatures cover, part by part. */
export interface Following {
  /**
   * All bytes before this offset have been written.
   * @param bytes the last of them, in shared memory, so that they need not be read back
   * @returns settles when the bytes before the offset are hashed: those that were given may change. Rejects with the system's code
   */
  reached(offset: number, bytes?: Uint8Array): Promise<void>;
  /** The hashes of the first `size` bytes. Rejects with an error that has the system's code. */
  finish(size: number): Promise<{ identity: Identity; sums: BlobSums }>;
  /** Stops without a result, if {@link Following.finish} was not called. */
  drop(): Promise<void>;
}

/** The SHA-512 of bytes that are handed to a thread one after the other, without a copy. */
export interface PassingHash {
  /** Hashes bytes in shared memory; they must not change before the promise resolves. */
  update(bytes: Buffer): Promise<void>;
  /** The hash of all bytes. */
  finish(): Promise<Sri>;
  /** Stops without a result, if {@link PassingHash.finish} was not called. */
  drop(): Promise<void>;
}

/** A {@link PassingHash} in another thread, which can read for itself what was written before it got to it. */
export interface ThreadedHash extends PassingHash {
  /** Hashes bytes of a file, so that nobody has to keep them in memory. */
  read(stretch: Stretch): Promise<void>;
}

/**
 * Threads that hash files while they are written, or bytes that pass; a hash stays with the thread that started it. Files
 * are read back from memory, or from disk if the writer is far ahead, so that memory does not grow with the distance.
 */
export class FollowPool {
  readonly width: number = Math.max(MIN_WORKERS, Math.min(availableParallelism(), MAX_WORKERS));
  /** Whether one file cannot keep all threads busy until its second part begins. */
  readonly hasSpareThreads: boolean = this.width > MIN_WORKERS;
  readonly #partSize: number;
  readonly #workers: Worker[] = [];
  readonly #lanes = new Map<number, { hear(answer: FollowAnswer): void }>();
  #next = 0;
  #ids = 0;

  /** @param partSize of the sums, in bytes; 0 for whole files */
  constructor(partSize: number = DEFAULT_PART_BYTES) {
    this.#partSize = partSize;
  }

  follow(path: string, other?: OtherHash): Following {
    const partSize = this.#partSize;
    const step = partSize === 0 ? Number.MAX_SAFE_INTEGER : partSize;
    const identity = this.#lane({ kind: 'identity', path, from: 0, ...(other && { other }) });
    const parts = [this.#lane({ kind: 'sums', path, from: 0 })];
    const done: Promise<FollowAnswer>[] = [];
    // Each part has a thread of its own turn, so that SHA-512 of a large file uses several.
    const advance = (offset: number, bytes: Uint8Array = NONE): Promise<unknown> => {
      const hashed: Promise<unknown>[] = [];
      let rest = bytes;
      for (let end = parts.length * step; end < offset; end = parts.length * step) {
        const last = rest.subarray(0, Math.max(0, end - (offset - rest.byteLength)));
        const part = ended(parts.at(-1), end, last);
        hashed.push(part);
        done.push(part);
        parts.push(this.#lane({ kind: 'sums', path, from: end }));
        rest = rest.subarray(last.byteLength);
      }
      return Promise.all([...hashed, parts.at(-1)?.advance(offset, rest)]);
    };
    return {
      reached: async (offset, bytes = NONE) => {
        await Promise.all([identity.advance(offset, bytes), advance(offset, bytes)]);
      },
      finish: async (size) => {
        // A failure is reported by the last lane, too.
        advance(size).catch(() => {});
        const [found, ...sums] = await Promise.all([
          identity.end('finish', size),
          ...done,
          ended(parts.at(-1), size),
        ]);
        if (found.identity === undefined) throw new Error('no hash');
        return { identity: found.identity, sums: { partSize, parts: sums.map(sumsOf) } };
      },
      drop: async () => {
        const last = parts.at(-1);
        await Promise.all([identity, last].map((lane) => lane?.end('drop', 0)));
        await Promise.allSettled(done);
      },
    };
  }

  /** Hashes bytes that pass through shared memory, such as those of a {@link BufferRing}. */
  hash(): ThreadedHash {
    const follow = this.#ids++;
    const worker = this.#take();
    const asked: ((answer: FollowAnswer) => void)[] = [];
    // A thread answers in order.
    this.#lanes.set(follow, { hear: (answer) => asked.shift()?.(answer) });
    const ask = async (task: Omit<PassingTask, 'follow'>): Promise<FollowAnswer> => {
      const answer = new Promise<FollowAnswer>((resolve) => asked.push(resolve));
      worker.postMessage({ ...task, follow } satisfies PassingTask);
      if (task.after !== 'wait') void answer.then(() => this.#lanes.delete(follow));
      return requireSuccess(await answer);
    };
    return {
      update: async (bytes) => void (await ask({ bytes, after: 'wait' })),
      read: async (stretch) => void (await ask({ stretch, after: 'wait' })),
      finish: async () => {
        const { sha512 } = await ask({ after: 'finish' });
        if (sha512 === undefined) throw new Error('no hash');
        return sha512;
      },
      drop: async () => void (await ask({ after: 'drop' })),
    };
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.terminate()));
  }

  #lane(about: Omit<FollowTask, 'follow' | keyof FollowStep>): Lane {
    const follow = this.#ids++;
    const lane = new Lane({ ...about, follow }, this.#take(), () => this.#lanes.delete(follow));
    this.#lanes.set(follow, lane);
    return lane;
  }

  #take(): Worker {
    const index = this.#next++ % this.width;
    const worker = this.#workers[index] ?? this.#spawn();
    this.#workers[index] = worker;
    return worker;
  }

  #spawn(): Worker {
    const worker = startWorker();
    worker.on('message', (answer: FollowAnswer) => this.#lanes.get(answer.follow)?.hear(answer));
    return worker;
  }
}

/** A {@link PassingHash} that this thread computes, of bytes in any memory. */
export function hashHere(): PassingHash {
  const sha512 = createHash('sha512');
  return {
    update: async (bytes) => void sha512.update(bytes),
    finish: async () => sriFromHex(sha512.digest('hex')),
    drop: async () => {},
  };
}

/** Ends a lane; a failure is reported to who awaits the result, whenever that is. */
function ended(
  lane: Lane | undefined,
  size: number,
  bytes: Uint8Array = NONE,
): Promise<FollowAnswer> {
  const answer = lane?.end('finish', size, bytes) ?? Promise.reject(new Error('no part'));
  answer.catch(() => {});
  return answer;
}

function sumsOf({ sums }: FollowAnswer): PieceSums {
  if (sums === undefined) throw new Error('no sums');
  return sums;
}

function requireSuccess(answer: FollowAnswer): FollowAnswer {
  const { failure } = answer;
  if (failure === undefined) return answer;
  throw Object.assign(new Error(failure.message), { code: failure.code });
}

/** One hash of one range of a file, in the thread that computes it. */
class Lane {
  readonly #about: Omit<FollowTask, keyof FollowStep>;
  readonly #worker: Worker;
  readonly #onEnd: () => void;
  /** A thread answers in order. */
  readonly #asked: ((answer: FollowAnswer) => void)[] = [];

  constructor(about: Omit<FollowTask, keyof FollowStep>, worker: Worker, onEnd: () => void) {
    this.#about = about;
    this.#worker = worker;
    this.#onEnd = onEnd;
  }

  /** Settles when it is hashed up to there. Rejects with the system's code; {@link Lane.end} does so again. */
  async advance(upTo: number, bytes: Uint8Array): Promise<void> {
    requireSuccess(await this.#ask({ upTo, bytes, after: 'wait' }));
  }

  /** To `finish` rejects with the system's code, also if an earlier step failed. */
  async end(
    after: 'finish' | 'drop',
    upTo: number,
    bytes: Uint8Array = NONE,
  ): Promise<FollowAnswer> {
    const answer = await this.#ask({ upTo, bytes, after });
    this.#onEnd();
    return requireSuccess(answer);
  }

  hear(answer: FollowAnswer): void {
    this.#asked.shift()?.(answer);
  }

  #ask(step: FollowStep): Promise<FollowAnswer> {
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.#worker.postMessage({ ...this.#about, ...step } satisfies FollowTask);
    });
  }
}
