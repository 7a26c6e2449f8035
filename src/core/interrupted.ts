import { StowageError } from './error.ts';

/** Overrides the default message and hint. */
export interface Interruption {
  readonly message?: string;
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The error for interrupted work: the reason of the signal if that is a StowageError. */
export function interrupted(
  signal?: AbortSignal,
  {
    message = 'interrupted',
    hint = 'run the same command again: finished work is kept',
    cause,
  }: Interruption = {},
): StowageError {
  if (signal?.reason instanceof StowageError) return signal.reason;
  return new StowageError('interrupted', message, { hint, cause });
}
