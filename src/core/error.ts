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
 * Every code that Stowage can fail with, under the exit status that it ends the program with.
 * The list is closed: a code is added here, in the README of the folder that throws it, and in a test.
 */
export const errorCodes = {
  failed: [
    'internal',
    'manifest-invalid',
    'lock-invalid',
    'lock-stale',
    'plan-stale',
    'plan-unapproved',
    'site-invalid',
    'document-invalid',
    'path-unsafe',
    'digest-malformed',
    'source-not-found',
    'source-unreachable',
    'source-denied',
    'source-gated',
    'source-mismatch',
    'source-malformed',
    'source-unsupported',
    'content-refused',
    'upstream-unsigned',
    'upstream-refused',
    'space-insufficient',
    'output-exists',
    'file-missing',
    'io-failed',
    'blob-damaged',
    'key-invalid',
    'bundle-absent',
    'bundle-incomplete',
    'disc-too-small',
    'medium-lost',
    'stream-ended',
    'state-damaged',
    'engine-failed',
    'gate-failed',
    'rollback-failed',
    'registry-unreachable',
    'registry-denied',
    'registry-refused',
    'release-unknown',
    'generation-unknown',
  ],
  usage: ['usage-invalid'],
  rolledBack: ['rolled-back'],
  untrusted: [
    'certificate-invalid',
    'signature-missing',
    'signature-malformed',
    'signature-invalid',
    'signer-untrusted',
    'algorithm-refused',
    'threshold-unmet',
    'trust-missing',
    'trust-unconfirmed',
    'trust-conflict',
    'checksums-malformed',
    'index-malformed',
    'index-mismatch',
    'part-damaged',
    'part-missing',
    'bundle-mixed',
    'file-unexpected',
    'file-kind',
    'archive-refused',
    'stream-refused',
    'release-rollback',
    'release-equivocation',
    'release-leap',
    'release-foreign',
    'release-expired',
    'release-recalled',
  ],
  locked: ['site-locked', 'store-locked'],
  unfit: ['host-unfit'],
  interrupted: ['interrupted'],
} as const;

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes][number];

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
    return exitStatusOf(this.code);
  }
}

/** The status that the program exits with after an error of this code. */
export function exitStatusOf(code: ErrorCode): ExitStatus {
  for (const [status, codes] of Object.entries(errorCodes)) {
    if ((codes as readonly ErrorCode[]).includes(code))
      return exitStatus[status as keyof typeof exitStatus];
  }
  return exitStatus.failed;
}

/** The `code` of a system error (`ENOENT`, `ENOSPC`, ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error instanceof StowageError ? undefined : error.code;
  }
  return undefined;
}
