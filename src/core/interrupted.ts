import { StowageError } from './error.ts';

/** The error for work that its signal stopped. */
export function interrupted(signal: AbortSignal): StowageError {
  if (signal.reason instanceof StowageError) return signal.reason;
  return new StowageError('interrupted', 'interrupted', {
    hint: 'run the same command again; what is finished is kept',
  });
}
