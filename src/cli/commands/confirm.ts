import { type GivenTrust, normalizeFingerprint } from '../../deploy/trust-anchor.ts';
import type { CommandContext } from '../command.ts';

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
  const { stdin, stderr } = context.terminal;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return false;
  const { createInterface } = await import('node:readline/promises');
  stderr.write(`This site has no trust document yet. Given is ${given.subject}.\n`);
  const reader = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await reader.question(
      `Type the last ${TYPED_DIGITS} digits of its SHA-256 fingerprint from your paper: `,
      { signal: context.signal },
    );
    const typed = normalizeFingerprint(answer);
    return typed.length >= TYPED_DIGITS && given.fingerprint.endsWith(typed);
  } finally {
    reader.close();
  }
}
