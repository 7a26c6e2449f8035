import { StowageError } from '../../core/error.ts';

/** The error for a publisher's signature that is present and invalid. */
export function refuse(
  message: string,
  expected: string,
  found: string,
  hint: string = 'do not use this content until its publisher explains the signature',
): StowageError {
  return new StowageError('upstream-refused', message, {
    expected,
    found: printable(found),
    hint,
  });
}

/** The error for content without the signature that the manifest requires. */
export function unsigned(what: string, expected: string, found: string): StowageError {
  return new StowageError('upstream-unsigned', `${what} is not signed`, {
    expected,
    found: printable(found),
    hint: 'ask its publisher for a signature, or choose a revision that has one',
  });
}

/** Untrusted text as one short line without control characters. */
export function printable(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, ' ').slice(0, 200);
}
