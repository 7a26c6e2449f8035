import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../core/error.ts';

const MAX_FAILURES = 4;
const FIRST_WAIT_MS = 500;
const SHORT_WAIT_MS = 100;

/** Whether and when to retry a broken connection: immediately while each attempt makes progress, otherwise after increasing delays. */
export class Persistence {
  readonly #signal: AbortSignal;
  #failures = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Records that bytes arrived. */
  progress(): void {
    this.#failures = 0;
  }

  /**
   * Waits until the next attempt is due.
   * @param madeProgress whether bytes arrived in the failed attempt
   * @throws `error` if it is not a broken connection, or after too many attempts without progress; StowageError `interrupted`
   */
  async afterFailure(error: unknown, madeProgress: boolean): Promise<void> {
    if (this.#signal.aborted) throw interrupted(this.#signal);
    if (!(error instanceof StowageError) || error.code !== 'source-unreachable') throw error;
    this.#failures = madeProgress ? 0 : this.#failures + 1;
    if (this.#failures >= MAX_FAILURES) throw error;
    const wait = this.#failures === 0 ? SHORT_WAIT_MS : FIRST_WAIT_MS * 2 ** this.#failures;
    await sleep(wait, undefined, { signal: this.#signal }).catch(() => {
      throw interrupted(this.#signal);
    });
  }
}
