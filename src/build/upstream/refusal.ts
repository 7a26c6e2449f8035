import { StowageError } from '../../core/error.ts';

/** The error for an upstream signature that is there and proves nothing. */
export function refuse(
  message: string,
  expected: string,
  found: string,
  hint: string = 'do not carry this content before its publisher explains the signature',
): StowageError {
  return new StowageError('upstream-refused', message, {
    expected,
    found: printable(found),
    hint,
  });
}

/** The error for content without the signature that the manifest asks for. */
export function unsigned(what: string, expected: string, found: string): StowageError {
  return new StowageError('upstream-unsigned', `${what} bears no signature`, {
    expected,
    found: printable(found),
    hint: 'ask its publisher for a signature, or take a revision that has one',
  });
}

/** Words of a stranger as one short line, with nothing in it that a terminal acts on. */
export function printable(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, ' ').slice(0, 200);
}
