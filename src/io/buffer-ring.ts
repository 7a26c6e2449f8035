import { sharedPages } from '../core/shared-memory.ts';

/**
 * A few buffers used in rotation; each is free again when its last operation has ended. They are page-aligned, as
 * `O_DIRECT` requires, and in memory that other threads can be given.
 */
export class BufferRing {
  /** Size of each, in bytes. */
  readonly size: number;
  readonly #buffers: readonly Buffer[];
  #uses: Promise<unknown>[];
  #current = 0;

  /** @param size bytes of each, a multiple of 64 KiB */
  constructor(count: number, size: number) {
    this.size = size;
    const buffer = sharedPages(count * size);
    this.#buffers = Array.from({ length: count }, (_, n) => Buffer.from(buffer, n * size, size));
    this.#uses = this.#idle();
  }

  /** The next buffer, as soon as it is free. @throws the error of its last operation */
  async next(): Promise<Buffer> {
    this.#current = (this.#current + 1) % this.#buffers.length;
    const free = this.#uses[this.#current];
    this.#uses[this.#current] = Promise.resolve();
    await free;
    return this.#buffers[this.#current] as Buffer;
  }

  /** Marks the buffer returned last as in use until a promise settles. */
  use(until: Promise<unknown>): void {
    until.catch(() => {});
    this.#uses[this.#current] = until;
  }

  /** Resolves when every buffer is free. @throws the error of an operation */
  async settle(): Promise<void> {
    for (const _ of this.#buffers) await this.next();
  }

  /** Resolves when every buffer is free; ignores errors. */
  async quiet(): Promise<void> {
    const uses = this.#uses;
    this.#uses = this.#idle();
    await Promise.allSettled(uses);
  }

  #idle(): Promise<void>[] {
    return this.#buffers.map(() => Promise.resolve());
  }
}
