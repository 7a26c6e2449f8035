/**
 * What long work says while it runs: data, never text for a terminal. `cli/render.ts` alone turns it into words.
 */
export type StowageEvent =
  /** A named step began; `subject` is what it works on. */
  | { readonly type: 'step'; readonly step: string; readonly subject?: string }
  /** Amount done of a task so far; `done` may shrink when something is tried again. */
  | {
      readonly type: 'progress';
      readonly task: string;
      readonly done: number;
      readonly total: number;
      readonly unit: 'bytes' | 'seconds';
      /** How much of `done` was there before the task began: it says nothing of how fast it goes. */
      readonly kept?: number;
      /** What is worked on now, such as a part and its disc. */
      readonly subject?: string;
    }
  /** The step under way failed; what follows undoes what was done, or nothing follows. */
  | { readonly type: 'failed'; readonly reason: string }
  /** The step under way stands still until a person did something, such as changed the disc. */
  | { readonly type: 'waiting'; readonly reason: string }
  /** Something that a person should read but that stops nothing. */
  | { readonly type: 'warning'; readonly message: string; readonly hint?: string };

export type Emit = (event: StowageEvent) => void;

/** What every long operation takes besides its documents. */
export interface Context {
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** The clock, in milliseconds since 1970; an argument so that tests can bend it. */
  readonly now: () => Date;
}
