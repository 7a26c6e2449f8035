import { KIB } from '../core/limits.ts';
import type { Bytes } from '../examine/bytes.ts';
import type { Origin } from '../source/origin.ts';

const PAGE_BYTES = 256 * KIB;
const MAX_PAGES = 32;

/** Random access to the bytes of a source; sequential reads share one connection. */
export interface RemoteBytes extends Bytes {
  close(): Promise<void>;
}

/**
 * Content that is not in the store yet, read in pages: the header and the end of a weights file take two requests. The
 * bytes are unverified; the content is examined again after it is downloaded.
 * @throws StowageError `source-*`, `interrupted`, while reading
 */
export function remoteBytes(origin: Origin, size: number, signal: AbortSignal): RemoteBytes {
  const pages = new Map<number, Buffer>();
  const connection = new Connection(origin, signal);
  const page = async (index: number): Promise<Buffer> => {
    const known = pages.get(index);
    if (known !== undefined) return known;
    const start = index * PAGE_BYTES;
    const bytes = await connection.read(start, Math.min(PAGE_BYTES, size - start));
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
    close: () => connection.close(),
  };
}

/** One connection, which is reopened if a read does not continue where the last one ended. */
class Connection {
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
