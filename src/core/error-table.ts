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
  blocked: 'stowage plan: a check failed, so the plan cannot be applied',
  attention: 'stowage status --check: the site needs attention',
  failing: 'stowage status --check: a service is failing or recalled',
  untrusted: 'the bundle is not trusted: its signatures, content, version or age',
  locked: 'another command is running',
  unfit: 'the host does not meet a requirement',
  interrupted: 'interrupted',
};

const usage = {
  'usage-invalid': {
    cause: 'the command or option does not exist, or a value is invalid',
    remedy: 'run stowage help for the commands, and stowage help COMMAND for the options of one',
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

const interrupted = {
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
  | keyof typeof interrupted;

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
  interrupted,
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
