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
      readonly unit: 'bytes' | 'seconds';
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
