import { CRC_SPAN_BYTES, MIB } from '../core/limits.ts';
import type { Following } from './follow-pool.ts';

/** How much may wait in memory to be hashed. */
const MAX_WAITING_BYTES: number = 8 * MIB;
/** How much the threads read back at once: other files that they hash wait meanwhile. */
const READ_BACK_BYTES: number = 16 * MIB;

/**
 * Passes the bytes of a growing file to the threads that hash it: in memory while the threads keep up, otherwise by telling them
 * how far they can read.
 */
export class HashBacklog {
  readonly #following: Pick<Following, 'reached'>;
  /** The end of what the threads were told of, and of the bytes without a gap. */
  #told = 0;
  #frontier = 0;
  /** Bytes in memory that are not hashed. */
  #bytes = 0;
  #reading: Promise<void> | undefined;
  /** Whether the threads read what an earlier run received. */
  #isResuming: boolean;
  #isStopped = false;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void)[] = [];
  #idleMs = 0;
  #changedMs: number = performance.now();

  /** @param resumed bytes without a gap that an earlier run received */
  constructor(following: Pick<Following, 'reached'>, resumed = 0) {
    this.#following = following;
    this.#isResuming = resumed > 0;
    this.announce(resumed);
  }

  /** How long the threads could have hashed more if it had arrived, since the beginning. */
  get idleMs(): number {
    return this.#idleMs + (this.#isIdle ? performance.now() - this.#changedMs : 0);
  }

  /** Whether the next bytes should not be handed over in memory. */
  get isBehind(): boolean {
    return this.#isFull || this.#reading !== undefined;
  }

  /** Says that the file has all bytes before an offset. The threads read them back, in steps of their buffer at least. */
  announce(frontier: number): void {
    this.#frontier = Math.max(this.#frontier, frontier);
    if (this.#reading !== undefined || !this.#canReadBack) return;
    this.#account();
    this.#reading = this.#readBack();
  }

  /**
   * Hands over the bytes that end at an offset, in shared memory; none before them were handed over or read back later.
   * @returns resolves when they are hashed: their memory may change
   */
  async handOver(offset: number, bytes: Uint8Array): Promise<void> {
    const waiting = offset - this.#told;
    this.#account();
    this.#bytes += waiting;
    this.#frontier = Math.max(this.#frontier, offset);
    await this.#tell(offset, bytes);
    this.#account();
    this.#bytes -= waiting;
    if (!this.#isFull) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves as soon as there is room for more in memory. @throws the error of a thread, with the system's code */
  async room(): Promise<void> {
    if (this.#isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves when the threads have read back all bytes, but for less than their buffer. */
  async readAll(size: number): Promise<void> {
    this.announce(size);
    await this.#reading;
  }

  /** Tells the threads of nothing more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#reading;
  }

  get #isFull(): boolean {
    return this.#bytes >= MAX_WAITING_BYTES;
  }

  get #isIdle(): boolean {
    return this.#bytes === 0 && (this.#reading === undefined || this.#isResuming);
  }

  get #canReadBack(): boolean {
    const isOver = this.#isStopped || this.#failure !== undefined;
    return !isOver && this.#frontier >= this.#told + CRC_SPAN_BYTES;
  }

  async #readBack(): Promise<void> {
    while (this.#canReadBack)
      await this.#tell(Math.min(this.#frontier, this.#told + READ_BACK_BYTES));
    this.#account();
    this.#reading = undefined;
    this.#isResuming = false;
  }

  async #tell(offset: number, bytes?: Uint8Array): Promise<void> {
    this.#told = offset;
    try {
      await this.#following.reached(offset, bytes);
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  /** Counts the time until now, before something changes. */
  #account(): void {
    this.#idleMs = this.idleMs;
    this.#changedMs = performance.now();
  }
}
