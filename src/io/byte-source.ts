import { StowageError } from '../core/error.ts';

/** Bytes that come one after the other, such as those of a pipe: taken in amounts, never held but for one chunk. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #aborted: Promise<never>;
  #rest: Uint8Array = new Uint8Array();
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#aborted = new Promise((_, reject) => {
      const abort = (): void => reject(interrupted());
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
    this.#aborted.catch(() => {});
  }

  /** How many bytes were taken. */
  get offset(): number {
    return this.#offset;
  }

  /** The next bytes, one at least and `most` at most; none at the end. They hold until the next call. */
  async next(most: number): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const { done, value } = await Promise.race([this.#chunks.next(), this.#aborted]);
      if (done === true) return new Uint8Array();
      this.#rest = value;
    }
    const bytes = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(bytes.length);
    this.#offset += bytes.length;
    return bytes;
  }

  /** Fills a buffer. @returns how many bytes came before the end */
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

function interrupted(): StowageError {
  return new StowageError('interrupted', 'interrupted', {
    hint: 'run the same command again; what is finished is kept',
  });
}
