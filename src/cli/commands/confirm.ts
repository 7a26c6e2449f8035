import type { GivenTrust } from '../../bundle/admission/trust-files.ts';
import { StowageError } from '../../core/error.ts';
import {
  counted,
  digitsDefect,
  FINGERPRINT_DIGITS,
  normalizeFingerprint,
  printableLines,
} from '../../core/text.ts';
import type { CommandContext } from '../command.ts';
import { ask } from './ask.ts';

const TYPED_DIGITS = 16;
const TRIES = 3;

/**
 * Whether a person confirmed a fingerprint from a separate copy: with `--fingerprint`, or by typing its last digits on
 * a terminal. It is not displayed first, so that it cannot be copied from the screen.
 * @param fingerprint the value of `--fingerprint`, normalized
 * @param opening what the question says before the subject
 * @returns false if no complete fingerprint was given
 * @throws StowageError `trust-unconfirmed` if another one was
 */
export async function confirmFingerprint(
  given: Pick<GivenTrust, 'fingerprint' | 'subject'>,
  fingerprint: string | undefined,
  context: CommandContext,
  opening = 'This site has no trust document yet. To be trusted',
): Promise<boolean> {
  if (fingerprint !== undefined) {
    if (fingerprint === given.fingerprint) return true;
    throw otherFingerprint(given.subject, fingerprint, given.fingerprint);
  }
  const { stderr } = context.terminal;
  let question = `${opening}: ${printableLines(given.subject)}\nType the last ${TYPED_DIGITS} digits of its SHA-256 fingerprint from your paper copy: `;
  let isOther = false;
  for (let left = TRIES - 1; left >= 0; left--) {
    const answer = await ask(question, context);
    if (answer === undefined) break;
    const typed = normalizeFingerprint(answer);
    const defect = digitsDefect(typed, TYPED_DIGITS, FINGERPRINT_DIGITS);
    if (defect === undefined && given.fingerprint.endsWith(typed)) return true;
    isOther ||= defect === undefined;
    const why = printableLines(defect ?? 'these digits do not match');
    if (left === 0) stderr.write(`${why}\n`);
    question = `${why}; ${counted(left, 'try', 'tries')} left. Compare with your paper copy and type the last ${TYPED_DIGITS} digits again: `;
  }
  if (isOther)
    throw otherFingerprint(given.subject, 'the digits on your paper copy', 'other digits');
  return false;
}

/** The person has a fingerprint, and the certificate another: a wrong file, or a wrong paper. */
function otherFingerprint(subject: string, expected: string, found: string): StowageError {
  return new StowageError('trust-unconfirmed', `the fingerprint of ${subject} does not match`, {
    expected,
    found,
    hint: 'check what you typed against your paper copy; if it still differs, stop and ask the security officer, and never pass the fingerprint of the certificate instead',
  });
}
