import { StowageError } from './error.ts';

/** What an interruption has to say beyond the usual. */
export interface Interruption {
  readonly message?: string;
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The error for work that was interrupted: the reason of the signal where that is an error of ours. */
export function interrupted(
  signal?: AbortSignal,
  {
    message = 'interrupted',
    hint = 'run the same command again; finished work is kept',
    cause,
  }: Interruption = {},
): StowageError {
  if (signal?.reason instanceof StowageError) return signal.reason;
  return new StowageError('interrupted', message, { hint, cause });
}
