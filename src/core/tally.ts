import type { Emit } from './event.ts';

/** Called with the bytes done since the last call; negative to take back bytes that were wrong; `kept` for bytes of an earlier run. */
export type OnBytes = (bytes: number, kept?: boolean) => void;

/** Counts the bytes of a task and emits its progress. */
export class Tally {
  readonly #emit: Emit;
  readonly #task: string;
  readonly #total: number;
  #done: number;
  #kept: number;
  #subject: string | undefined;

  /** @param kept bytes of `total` that an earlier run finished */
  constructor(emit: Emit, task: string, total: number, kept = 0) {
    this.#emit = emit;
    this.#task = task;
    this.#total = total;
    this.#done = kept;
    this.#kept = kept;
  }

  readonly add: OnBytes = (bytes, kept = false): void => {
    this.#done += bytes;
    if (kept) this.#kept += bytes;
    this.#emit({
      type: 'progress',
      task: this.#task,
      ...{ done: this.#done, total: this.#total, unit: 'bytes' },
      ...(this.#kept === 0 ? {} : { kept: this.#kept }),
      ...(this.#subject === undefined ? {} : { subject: this.#subject }),
    });
  };

  /** Sets the current item, which the next progress event names. */
  at(subject: string): void {
    this.#subject = subject;
  }
}

/** A part of so many, and its disc, for progress. */
export function partInWords(number: number, of: number, disc?: string): string {
  return `part ${number} of ${of}${disc === undefined ? '' : ` on ${disc}`}`;
}
