import { KIB } from '../core/limits.ts';
import type { Bytes } from '../examine/bytes.ts';
import type { Origin } from '../source/origin.ts';

const PAGE_BYTES = 256 * KIB;
const MAX_PAGES = 32;

/** Bytes of a source read at positions, over one connection as long as they are asked for in order. */
export interface RemoteBytes extends Bytes {
  close(): Promise<void>;
}

/**
 * Content that is not in the store yet, in pages: what stands at the front and at the end of weights costs two
 * requests. The bytes are unverified: what decides is examined again when they were pulled.
 * @throws StowageError `source-*`, `interrupted`, while reading
 */
export function remoteBytes(origin: Origin, size: number, signal: AbortSignal): RemoteBytes {
  const pages = new Map<number, Buffer>();
  const line = new Line(origin, signal);
  const page = async (index: number): Promise<Buffer> => {
    const known = pages.get(index);
    if (known !== undefined) return known;
    const start = index * PAGE_BYTES;
    const bytes = await line.read(start, Math.min(PAGE_BYTES, size - start));
    pages.set(index, bytes);
    for (const oldest of pages.keys()) {
      if (pages.size <= MAX_PAGES) break;
      pages.delete(oldest);
    }
    return bytes;
  };
  return {
    size,
    read: async (offset, length) => {
      const end = Math.min(offset + length, size);
      const parts: Buffer[] = [];
      for (let at = offset; at < end; ) {
        const index = Math.floor(at / PAGE_BYTES);
        const start = index * PAGE_BYTES;
        const part = (await page(index)).subarray(at - start, end - start);
        if (part.length === 0) break;
        parts.push(part);
        at += part.length;
      }
      const [only] = parts;
      return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    },
    close: () => line.close(),
  };
}

/** One connection, opened again where what is asked for is not what comes next. */
class Line {
  readonly #origin: Origin;
  readonly #signal: AbortSignal;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  #position = -1;
  #rest: Buffer = Buffer.alloc(0);

  constructor(origin: Origin, signal: AbortSignal) {
    this.#origin = origin;
    this.#signal = signal;
  }

  async read(start: number, length: number): Promise<Buffer> {
    if (start !== this.#position || this.#chunks === undefined) {
      await this.close();
      const opened = await this.#origin.open(start, this.#signal);
      this.#chunks = opened[Symbol.asyncIterator]();
      this.#position = start;
    }
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) break;
        this.#rest = Buffer.from(next.value);
      }
      const part = this.#rest.subarray(0, missing);
      parts.push(part);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
    }
    this.#position += length - missing;
    return Buffer.concat(parts);
  }

  async close(): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = undefined;
    this.#rest = Buffer.alloc(0);
    await chunks?.return?.();
  }
}
