import { type ErrorCode, type ExitStatus, exitStatusOf } from './error-table.ts';

export type { ErrorCode };

export interface ErrorDetails {
  /** What was expected. */
  expected?: string;
  /** What was found instead. */
  found?: string;
  /** What the user can do; never how to skip a check. */
  hint: string;
  /** Further defects of the same document, one line each. */
  defects?: readonly string[];
  cause?: unknown;
}

/**
 * The one error class. Messages are lower case, without a full stop, and name the thing that failed;
 * `expected` and `found` state the difference, `hint` the remedy. None of them ever contains a secret.
 */
export class StowageError extends Error {
  readonly code: ErrorCode;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly hint: string;
  readonly defects: readonly string[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'StowageError';
    this.code = code;
    this.expected = details.expected;
    this.found = details.found;
    this.hint = details.hint;
    this.defects = details.defects ?? [];
  }

  get exitStatus(): ExitStatus {
    return exitStatusOf(this.code);
  }
}

/** The message of an error, or a thrown value as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error is about a source: its code is one of `source-*`. */
export function isSourceError(error: unknown): error is StowageError {
  return error instanceof StowageError && error.code.startsWith('source-');
}

/** The `code` of a system error (`ENOENT`, `ENOSPC`, ...); undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error instanceof StowageError ? undefined : error.code;
  }
  return undefined;
}
