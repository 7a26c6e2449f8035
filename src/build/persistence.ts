import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../core/error.ts';
import { interrupted } from '../core/interrupted.ts';

const MAX_FAILURES = 4;
const FIRST_WAIT_MS = 500;
const SHORT_WAIT_MS = 100;

/** Whether and when to retry a broken connection: at once while each try makes progress, ever later while none does. */
export class Persistence {
  readonly #signal: AbortSignal;
  #failures = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Bytes arrived. */
  progress(): void {
    this.#failures = 0;
  }

  /**
   * Returns when it is time for another try.
   * @param madeProgress whether bytes arrived in the try that failed
   * @throws `error` if it is not a broken connection, or after too many tries in a row without progress; StowageError `interrupted`
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
