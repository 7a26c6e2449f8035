import { StowageError } from './error.ts';

/**
 * The error for an output that exists already: no command overwrites a file that a person may have made.
 * @param hint what to do about this kind of file
 */
export function outputExists(
  path: string,
  hint = 'choose another name, or move the existing one to another place',
  cause?: unknown,
): StowageError {
  return new StowageError('output-exists', `${path} exists already`, {
    expected: 'a path where nothing exists',
    found: 'a file or folder',
    hint,
    cause,
  });
}
