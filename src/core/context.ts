/**
 * Progress of long work, as data: only `cli/render.ts` turns it into text.
 */
export type StowageEvent =
  /** A step started; `subject` is what it works on. */
  | { readonly type: 'step'; readonly step: string; readonly subject?: string }
  /** Amount done of a task so far; `done` may decrease when something is retried. */
  | {
      readonly type: 'progress';
      readonly task: string;
      readonly done: number;
      readonly total: number;
      readonly unit: 'bytes' | 'seconds' | 'questions';
      /** How much of `done` was finished before the task started; not counted in its rate. */
      readonly kept?: number;
      /** The current item, such as a part and its disc. */
      readonly subject?: string;
    }
  /** The current step failed; events of an undo may follow. */
  | { readonly type: 'failed'; readonly reason: string }
  /** The current step waits for a person, for example to change the disc. */
  | { readonly type: 'waiting'; readonly reason: string }
  /** A problem that does not stop the work. */
  | { readonly type: 'warning'; readonly message: string; readonly hint?: string };

export type Emit = (event: StowageEvent) => void;

/** The options of every long operation. */
export interface Context {
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** The clock; an argument, so that tests can set it. */
  readonly now: () => Date;
}

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

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;
