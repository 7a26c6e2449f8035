import type { GivenTrust } from '../../bundle/admission/trust-files.ts';
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
 */
export async function confirmFingerprint(
  given: Pick<GivenTrust, 'fingerprint' | 'subject'>,
  fingerprint: string | undefined,
  context: CommandContext,
  opening = 'This site has no trust document yet. To be trusted',
): Promise<boolean> {
  if (fingerprint !== undefined) return fingerprint === given.fingerprint;
  const { stderr } = context.terminal;
  let question = `${opening}: ${printableLines(given.subject)}\nType the last ${TYPED_DIGITS} digits of its SHA-256 fingerprint from your paper copy: `;
  for (let left = TRIES - 1; left >= 0; left--) {
    const answer = await ask(question, context);
    if (answer === undefined) return false;
    const typed = normalizeFingerprint(answer);
    const defect = digitsDefect(typed, TYPED_DIGITS, FINGERPRINT_DIGITS);
    if (defect === undefined && given.fingerprint.endsWith(typed)) return true;
    const why = printableLines(defect ?? 'these digits do not match');
    if (left === 0) stderr.write(`${why}\n`);
    question = `${why}; ${counted(left, 'try', 'tries')} left. Compare with your paper copy and type the last ${TYPED_DIGITS} digits again: `;
  }
  return false;
}
