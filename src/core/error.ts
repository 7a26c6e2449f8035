import { failures } from './failure-table.ts';
import { refusals } from './refusal-table.ts';

/** Exit statuses of the program: 0 done, and these. */
export const exitStatus = {
  failed: 1,
  usage: 2,
  rolledBack: 3,
  blocked: 4,
  attention: 5,
  failing: 6,
  untrusted: 10,
  locked: 11,
  unfit: 12,
  interrupted: 130,
} as const;

export type StatusName = keyof typeof exitStatus;
export type ExitStatus = (typeof exitStatus)[StatusName];

/** What each exit status means. */
export const statusMeanings: Readonly<Record<StatusName, string>> = {
  failed: 'the command failed',
  usage: 'an unknown command or option, or an invalid value',
  rolledBack: 'the new generation failed; the previous one was restored',
  blocked: 'a check failed: a plan cannot be applied, or a release not promoted',
  attention: 'stowage status --check: the site, or a site of the fleet, needs attention',
  failing: 'stowage status --check: a failing or recalled service, or damaged ledger',
  untrusted: 'the bundle is not trusted: its signatures, content, version or age',
  locked: 'another command is running',
  unfit: 'the host does not meet a requirement',
  interrupted: 'interrupted',
};

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

const usage = {
  'usage-invalid': {
    cause:
      'the command or option does not exist, or a value, also of an environment variable, is invalid',
    remedy:
      'follow the hint; stowage help lists the commands, and stowage help COMMAND the options of one',
  },
} as const;

const rolledBack = {
  'rolled-back': {
    cause: 'the new generation failed; the previous one was restored',
    remedy: 'send the error to the release engineer; the site needs no repair',
  },
} as const;

const locked = {
  'site-locked': {
    cause: 'another command is running at this site',
    remedy: 'wait until it ends; if it hangs, stop the process that the error names',
  },
  'fleet-locked': {
    cause: 'another command is changing the fleet',
    remedy: 'wait until it ends, and run the same command again',
  },
  'store-locked': {
    cause: 'another command is using the store',
    remedy: 'wait until it ends, and run the same command again',
  },
} as const;

const unfit = {
  'host-unfit': {
    cause:
      'the host lacks a requirement: an engine, a free port, memory, a GPU, a release, or an algorithm',
    remedy: 'fix each point that the error lists; stowage doctor shows what the host provides',
  },
} as const;

const interruptions = {
  interrupted: {
    cause: 'Ctrl-C or another signal stopped the command',
    remedy: 'run the same command again: it resumes, or undoes what it had begun',
  },
} as const;

/** Every code that Stowage can fail with. The list is closed: a code is added in one of the tables, and nowhere else. */
export type ErrorCode =
  | keyof typeof failures
  | keyof typeof usage
  | keyof typeof rolledBack
  | keyof typeof refusals
  | keyof typeof locked
  | keyof typeof unfit
  | keyof typeof interruptions;

/** What led to an error, and what to do about it; lower case, no full stop. */
export interface Explained {
  readonly cause: string;
  /** Never how to skip a check. */
  readonly remedy: string;
}

/** A code with its explanation and exit status. */
export interface ErrorEntry extends Explained {
  readonly code: ErrorCode;
  readonly exitStatus: ExitStatus;
}

/** Statuses of results have no codes. */
const byStatus: Readonly<Record<StatusName, Readonly<Partial<Record<ErrorCode, Explained>>>>> = {
  failed: failures,
  usage,
  rolledBack,
  blocked: {},
  attention: {},
  failing: {},
  untrusted: refusals,
  locked,
  unfit,
  interrupted: interruptions,
};

/** The codes of each exit status. */
export const errorCodes: Readonly<Record<StatusName, readonly ErrorCode[]>> = {
  failed: codesOf('failed'),
  usage: codesOf('usage'),
  rolledBack: codesOf('rolledBack'),
  blocked: codesOf('blocked'),
  attention: codesOf('attention'),
  failing: codesOf('failing'),
  untrusted: codesOf('untrusted'),
  locked: codesOf('locked'),
  unfit: codesOf('unfit'),
  interrupted: codesOf('interrupted'),
};

function codesOf(status: StatusName): ErrorCode[] {
  return Object.keys(byStatus[status]) as ErrorCode[];
}

/** The status that the program exits with after an error of this code. */
export function exitStatusOf(code: ErrorCode): ExitStatus {
  const names = Object.keys(exitStatus) as StatusName[];
  return exitStatus[names.find((name) => Object.hasOwn(byStatus[name], code)) ?? 'failed'];
}

/** Every code, by exit status. */
export function errorTable(): ErrorEntry[] {
  return (Object.keys(exitStatus) as StatusName[]).flatMap((status) =>
    Object.entries(byStatus[status]).map(([code, { cause, remedy }]) => ({
      code: code as ErrorCode,
      exitStatus: exitStatus[status],
      cause,
      remedy,
    })),
  );
}

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
