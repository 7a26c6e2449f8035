import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../core/error.ts';

const MAX_BARREN_TRIES = 4;
const FIRST_WAIT_MS = 500;
const SHORT_WAIT_MS = 100;

/** Whether and when to try a broken line again: at once while each try brings something, ever later while none does. */
export class Persistence {
  readonly #signal: AbortSignal;
  #barren = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Something came. */
  progress(): void {
    this.#barren = 0;
  }

  /**
   * Returns when it is time for another try.
   * @param fruitful whether the try that failed had brought something
   * @throws `error` when it is no broken line, or too many tries in a row brought nothing; StowageError `interrupted`
   */
  async afterFailure(error: unknown, fruitful: boolean): Promise<void> {
    if (this.#signal.aborted) throw interrupted();
    if (!(error instanceof StowageError) || error.code !== 'source-unreachable') throw error;
    this.#barren = fruitful ? 0 : this.#barren + 1;
    if (this.#barren >= MAX_BARREN_TRIES) throw error;
    const wait = this.#barren === 0 ? SHORT_WAIT_MS : FIRST_WAIT_MS * 2 ** this.#barren;
    await sleep(wait, undefined, { signal: this.#signal }).catch(() => {
      throw interrupted();
    });
  }
}

export function interrupted(): StowageError {
  return new StowageError('interrupted', 'interrupted', {
    hint: 'run the same command again; it goes on where it stopped',
  });
}
