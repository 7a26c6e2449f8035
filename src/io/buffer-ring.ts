const WASM_PAGE_BYTES = 65_536;

/** What the language's library for browsers alone declares. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
};

/**
 * A few buffers that are used in turn, each free again when what was begun with it has ended. Their memory begins at
 * a page, as writing past the page cache demands.
 */
export class BufferRing {
  /** Bytes of each. */
  readonly size: number;
  readonly #buffers: readonly Buffer[];
  #uses: Promise<void>[];
  #current = 0;

  /** @param size bytes of each, a multiple of 64 KiB */
  constructor(count: number, size: number) {
    this.size = size;
    // Nothing else in JavaScript says where its memory begins.
    const pages = (count * size) / WASM_PAGE_BYTES;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#buffers = Array.from({ length: count }, (_, n) => Buffer.from(buffer, n * size, size));
    this.#uses = this.#idle();
  }

  /** The next buffer, as soon as it is free. @throws what its last use rejected with */
  async next(): Promise<Buffer> {
    this.#current = (this.#current + 1) % this.#buffers.length;
    const free = this.#uses[this.#current];
    this.#uses[this.#current] = Promise.resolve();
    await free;
    return this.#buffers[this.#current] as Buffer;
  }

  /** Has the buffer that was given last in use until then. */
  use(until: Promise<void>): void {
    until.catch(() => {});
    this.#uses[this.#current] = until;
  }

  /** When every buffer is free. @throws what a use rejected with */
  async settle(): Promise<void> {
    for (const _ of this.#buffers) await this.next();
  }

  /** When every buffer is free, however its use ended. */
  async quiet(): Promise<void> {
    const uses = this.#uses;
    this.#uses = this.#idle();
    await Promise.allSettled(uses);
  }

  #idle(): Promise<void>[] {
    return this.#buffers.map(() => Promise.resolve());
  }
}
