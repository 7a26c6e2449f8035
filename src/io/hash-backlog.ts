import { CRC_SPAN_BYTES, MIB } from '../core/limits.ts';
import type { Following } from './follow-pool.ts';

/** How much may wait in memory to be hashed. */
const MAX_WAITING_BYTES: number = 8 * MIB;

/** The bytes of a growing file that its hashing threads were told of, and have not hashed yet. */
export class HashBacklog {
  readonly #following: Pick<Following, 'reached'>;
  #told = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];
  #idleMs = 0;
  #emptySince: number = performance.now();

  constructor(following: Pick<Following, 'reached'>) {
    this.#following = following;
  }

  /** How long the threads had nothing to hash, since the beginning. */
  get idleMs(): number {
    return this.#idleMs + (this.#bytes === 0 ? performance.now() - this.#emptySince : 0);
  }

  /** Whether there is no room for more in memory. */
  get isFull(): boolean {
    return this.#bytes >= MAX_WAITING_BYTES;
  }

  /** Tells the threads how far the file has no gap, in steps of their buffer. */
  tell(frontier: number): void {
    if (frontier >= this.#told + CRC_SPAN_BYTES) void this.give(frontier);
  }

  /**
   * Tells the threads of the bytes before an offset, and gives them the last ones in shared memory.
   * @returns resolves when they are hashed: those that were given may change
   */
  async give(offset: number, bytes?: Uint8Array): Promise<void> {
    const told = offset - this.#told;
    this.#told = offset;
    this.#idleMs = this.idleMs;
    this.#bytes += told;
    await this.#following.reached(offset, bytes);
    this.#bytes -= told;
    if (this.#bytes === 0) this.#emptySince = performance.now();
    if (!this.isFull) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves as soon as there is room for more in memory. */
  async room(): Promise<void> {
    if (!this.isFull) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
