import { type GivenTrust, normalizeFingerprint } from '../../bundle/admission/trust-anchor.ts';
import { printableLines } from '../../core/printable.ts';
import type { CommandContext } from '../command.ts';
import { ask } from './ask.ts';

const TYPED_DIGITS = 16;

/**
 * Whether a person confirmed a fingerprint from paper: by `--fingerprint`, or by typing its end on a terminal. It
 * is not shown before: what stands on the screen would be copied from the screen.
 * @param fingerprint what `--fingerprint` gave
 */
export async function confirmFingerprint(
  given: GivenTrust,
  fingerprint: string | undefined,
  context: CommandContext,
): Promise<boolean> {
  if (fingerprint !== undefined) return normalizeFingerprint(fingerprint) === given.fingerprint;
  const answer = await ask(
    `This site has no trust document yet. Given is ${printableLines(given.subject)}.\nType the last ${TYPED_DIGITS} digits of its SHA-256 fingerprint from your paper: `,
    context,
  );
  if (answer === undefined) return false;
  const typed = normalizeFingerprint(answer);
  return typed.length >= TYPED_DIGITS && given.fingerprint.endsWith(typed);
}
