import type { Emit } from './event.ts';

/** Hears of bytes as they are done, negative when they turn out wrong; `kept` where an earlier run had done them. */
export type OnBytes = (bytes: number, kept?: boolean) => void;

/** Counts the bytes of a task, and tells of them. */
export class Tally {
  readonly #emit: Emit;
  readonly #task: string;
  readonly #total: number;
  #done: number;
  #kept: number;
  #subject: string | undefined;

  /** @param kept bytes of `total` that were there before */
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

  /** What is worked on; told with the next bytes. */
  at(subject: string): void {
    this.#subject = subject;
  }
}

/** Which part of how many, and on which disc. */
export function partInWords(number: number, of: number, disc?: string): string {
  return `part ${number} of ${of}${disc === undefined ? '' : ` on ${disc}`}`;
}
