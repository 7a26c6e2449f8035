import { StowageError } from '../core/error.ts';
import type { LockedFile } from '../format/locked-content.ts';

/** A source has other content than the lock says. */
export function changedSince(
  file: Pick<LockedFile, 'source' | 'name'>,
  expected: string,
  found: string,
): StowageError {
  return new StowageError(
    'lock-stale',
    `${file.source} of ${file.name} changed since it was locked`,
    { expected, found, hint: 'run stowage lock again, or restore the files' },
  );
}
