import type { StowageError } from '../../core/error.ts';
import type { CommandContext } from '../command.ts';
import { harmless } from '../units.ts';

/**
 * Asks a person for the next disc: Enter when it lies where the last one lay, or another path.
 * @param error says what is missing
 * @returns the folders to read next; undefined where there is no terminal to ask on
 */
export async function askForDisc(
  error: StowageError,
  folders: readonly string[],
  context: CommandContext,
): Promise<string[] | undefined> {
  const { stdin, stderr } = context.terminal;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
  const { createInterface } = await import('node:readline/promises');
  // Ends what moves on the screen.
  context.emit({ type: 'waiting', reason: 'a disc' });
  stderr.write(harmless(`\n${error.message}\n  missing: ${error.expected ?? ''}\n`));
  const last = folders.at(-1) ?? '';
  const reader = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await reader.question(
      `Insert the next disc and press Enter (${last}), or type its folder: `,
      { signal: context.signal },
    );
    const typed = answer.trim();
    return [typed === '' ? last : context.path(typed)];
  } finally {
    reader.close();
  }
}
