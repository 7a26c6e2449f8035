import { type GivenTrust, normalizeFingerprint } from '../../bundle/admission/trust-anchor.ts';
import { printableLines } from '../../core/printable.ts';
import type { CommandContext } from '../command.ts';
import { ask } from './ask.ts';

const TYPED_DIGITS = 16;

/**
 * Whether a person confirmed a fingerprint from a separate copy: with `--fingerprint`, or by typing its last digits on
 * a terminal. It is not displayed first, so that it cannot be copied from the screen.
 * @param fingerprint the value of `--fingerprint`
 */
export async function confirmFingerprint(
  given: GivenTrust,
  fingerprint: string | undefined,
  context: CommandContext,
): Promise<boolean> {
  if (fingerprint !== undefined) return normalizeFingerprint(fingerprint) === given.fingerprint;
  const answer = await ask(
    `This site has no trust document yet. To be trusted: ${printableLines(given.subject)}\nType the last ${TYPED_DIGITS} digits of its SHA-256 fingerprint from your paper copy: `,
    context,
  );
  if (answer === undefined) return false;
  const typed = normalizeFingerprint(answer);
  return typed.length >= TYPED_DIGITS && given.fingerprint.endsWith(typed);
}
