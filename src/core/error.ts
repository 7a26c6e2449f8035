/** Exit statuses of the program: 0 done, and these. */
export const exitStatus = {
  failed: 1,
  usage: 2,
  rolledBack: 3,
  untrusted: 10,
  locked: 11,
  unfit: 12,
  interrupted: 130,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/**
 * Every code that Stowage can fail with, and the exit status it ends the program with.
 * The list is closed: a code is added here, in the README of the folder that throws it, and in a test.
 */
export const errorCodes = {
  'usage-invalid': exitStatus.usage,
  interrupted: exitStatus.interrupted,
  internal: exitStatus.failed,

  'manifest-invalid': exitStatus.failed,
  'lock-invalid': exitStatus.failed,
  'lock-stale': exitStatus.failed,
  'site-invalid': exitStatus.failed,
  'document-invalid': exitStatus.failed,
  'path-unsafe': exitStatus.failed,
  'digest-malformed': exitStatus.failed,

  'source-not-found': exitStatus.failed,
  'source-unreachable': exitStatus.failed,
  'source-denied': exitStatus.failed,
  'source-gated': exitStatus.failed,
  'source-mismatch': exitStatus.failed,
  'source-malformed': exitStatus.failed,
  'source-unsupported': exitStatus.failed,
  'content-refused': exitStatus.failed,

  'space-insufficient': exitStatus.failed,
  'output-exists': exitStatus.failed,
  'file-missing': exitStatus.failed,
  'io-failed': exitStatus.failed,
  'blob-damaged': exitStatus.failed,

  'key-invalid': exitStatus.failed,
  'certificate-invalid': exitStatus.untrusted,
  'signature-missing': exitStatus.untrusted,
  'signature-malformed': exitStatus.untrusted,
  'signature-invalid': exitStatus.untrusted,
  'signer-untrusted': exitStatus.untrusted,
  'algorithm-refused': exitStatus.untrusted,
  'threshold-unmet': exitStatus.untrusted,
  'trust-missing': exitStatus.untrusted,
  'trust-unconfirmed': exitStatus.untrusted,
  'trust-conflict': exitStatus.untrusted,

  'bundle-absent': exitStatus.failed,
  'checksums-malformed': exitStatus.untrusted,
  'index-malformed': exitStatus.untrusted,
  'index-mismatch': exitStatus.untrusted,
  'part-damaged': exitStatus.untrusted,
  'part-missing': exitStatus.untrusted,
  'file-unexpected': exitStatus.untrusted,
  'file-kind': exitStatus.untrusted,
  'archive-refused': exitStatus.untrusted,
  'release-rollback': exitStatus.untrusted,
  'release-equivocation': exitStatus.untrusted,
  'release-foreign': exitStatus.untrusted,

  'site-locked': exitStatus.locked,
  'state-damaged': exitStatus.failed,
  'host-unfit': exitStatus.unfit,
  'engine-failed': exitStatus.failed,
  'gate-failed': exitStatus.failed,
  'rolled-back': exitStatus.rolledBack,
  'rollback-failed': exitStatus.failed,
  'release-unknown': exitStatus.failed,
  'generation-unknown': exitStatus.failed,
} as const satisfies Record<string, ExitStatus>;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorDetails {
  /** What should have been there. */
  expected?: string;
  /** What was there instead. */
  found?: string;
  /** What a person can do about it; never how to skip a check. */
  hint: string;
  /** Further defects of the same document, one line each. */
  defects?: readonly string[];
  cause?: unknown;
}

/**
 * The one error class. Messages are lower case, without a full stop, and name the thing that failed;
 * `expected` and `found` say the difference, `hint` the remedy. Nothing secret enters any of them.
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
    return errorCodes[this.code];
  }
}

/** The `code` of a system error (`ENOENT`, `ENOSPC`, ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error instanceof StowageError ? undefined : error.code;
  }
  return undefined;
}
