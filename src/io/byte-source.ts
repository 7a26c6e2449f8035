import { interrupted } from '../core/interrupted.ts';

/** Sequential bytes, such as those of a pipe, read in amounts of any size; holds at most one chunk. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal;
  #abort: () => void = () => {};
  #rest: Uint8Array = new Uint8Array();
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#abort(), { once: true });
  }

  /** How many bytes were read. */
  get offset(): number {
    return this.#offset;
  }

  /** The next bytes, 1 to `most`; empty at the end. Valid until the next call. */
  async next(most: number): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunk();
      if (done === true) return new Uint8Array();
      this.#rest = value;
    }
    const bytes = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(bytes.length);
    this.#offset += bytes.length;
    return bytes;
  }

  // Not Promise.race with one abort promise: that would keep every chunk in memory.
  #chunk(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      this.#abort = (): void => reject(interrupted(this.#signal));
      if (this.#signal.aborted) this.#abort();
      else this.#chunks.next().then(resolve, reject);
    });
  }

  /** Fills a buffer. @returns how many bytes were read; fewer only at the end */
  async fill(buffer: Buffer): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const bytes = await this.next(buffer.length - filled);
      if (bytes.length === 0) break;
      buffer.set(bytes, filled);
      filled += bytes.length;
    }
    return filled;
  }
}
