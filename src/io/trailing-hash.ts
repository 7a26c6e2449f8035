import type { Sri } from '../core/digest.ts';
import type { PassingHash, ThreadedHash } from './follow-pool.ts';

/** How many pieces may wait in memory for their thread. */
const MAX_WAITING = 4;

/** The place in a file of the first byte. */
export interface TrailingPlace {
  readonly path: string;
  readonly offset: number;
}

/**
 * The SHA-512 of bytes that arrive, and are perhaps written, one piece after the other. Once they arrive faster than one thread
 * hashes, it reads the rest from what was written: nothing waits for it, and memory does not grow.
 */
export class TrailingHash {
  readonly #hash: PassingHash | ThreadedHash;
  readonly #place: TrailingPlace | undefined;
  #size = 0;
  #waiting = 0;
  /** Whether it reads back: then to the end, because pieces are hashed in order. */
  #behind = false;
  #dropped = false;
  /** Resolves when every piece so far was given to the thread that reads back. */
  #given: Promise<unknown> = Promise.resolve();
  #all: Promise<unknown> = Promise.resolve();

  /** @param place absent for bytes that are only hashed */
  constructor(hash: PassingHash | ThreadedHash, place?: TrailingPlace) {
    this.#hash = hash;
    this.#place = place;
  }

  /**
   * Adds the next piece, in shared memory unless this thread hashes.
   * @param written settles when it is in the file; undefined if it is not written
   * @returns settles when the bytes may change
   */
  add(bytes: Buffer, written: Promise<void> | undefined): Promise<unknown> {
    const use = this.#use(bytes, written);
    this.#size += bytes.length;
    this.#also(use);
    return use;
  }

  /** The hash of all pieces, when all are written. Rejects as the first piece that could not be. */
  async finish(): Promise<Sri> {
    await this.#all;
    return await this.#hash.finish();
  }

  /** Stops without a result, if {@link TrailingHash.finish} was not called. */
  async drop(): Promise<void> {
    this.#dropped = true;
    await this.#given.catch(() => {});
    await this.#hash.drop();
  }

  #use(bytes: Buffer, written: Promise<void> | undefined): Promise<unknown> {
    const hash = this.#hash;
    if (this.#waiting >= MAX_WAITING) this.#behind = true;
    if (this.#behind && written !== undefined && this.#place !== undefined && 'read' in hash) {
      const { path, offset } = this.#place;
      const stretch = { path, position: offset + this.#size, length: bytes.length };
      this.#given = Promise.all([this.#given, written]).then(() => {
        if (!this.#dropped) this.#also(hash.read(stretch));
      });
      this.#also(this.#given);
      return written;
    }
    this.#waiting += 1;
    const hashed = hash.update(bytes).finally(() => {
      this.#waiting -= 1;
    });
    return Promise.all([hashed, written]);
  }

  #also(use: Promise<unknown>): void {
    this.#all = Promise.all([this.#all, use]);
    this.#all.catch(() => {});
  }
}
