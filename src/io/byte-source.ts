import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { interrupted } from '../core/error.ts';
import { READ_BUFFER_BYTES } from '../core/limits.ts';

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

/** The bytes of a pipe. Each chunk is valid until the next one is requested. */
export interface PipedBytes extends AsyncIterableIterator<Uint8Array> {
  /** Closes the pipe, so that its writer does not block. */
  destroy(): void;
}

/**
 * Reads a pipe into one buffer that is used again for each chunk; Node's own stream allocates memory for each.
 * @returns undefined if the descriptor is not one of a pipe
 */
export function readPipe(fd: number): PipedBytes | undefined {
  if (!fstatSync(fd).isFIFO()) return undefined;
  const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  type Result = IteratorResult<Uint8Array, undefined>;
  const end: Result = { done: true, value: undefined };
  let arrived: Result | Error | undefined;
  let waiting: { resolve(result: Result): void; reject(error: Error): void } | undefined;
  const deliver = (result: Result | Error): void => {
    // What was read is consumed before the end or an error is.
    if (waiting === undefined) arrived ??= result;
    else if (result instanceof Error) waiting.reject(result);
    else waiting.resolve(result);
    waiting = undefined;
  };
  const callback = (length: number): boolean => {
    deliver({ done: false, value: buffer.subarray(0, length) });
    // Nothing more is read until it is requested.
    return false;
  };
  const socket = new Socket({ fd, readable: true, writable: false, onread: { buffer, callback } });
  socket.on('error', deliver).on('close', () => deliver(end));
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        const now = arrived;
        arrived = undefined;
        if (now !== undefined) deliver(now);
        else if (socket.destroyed) deliver(end);
        else socket.resume();
      }),
    destroy: () => void socket.destroy(),
  };
}
