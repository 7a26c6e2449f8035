import type { StowageError } from '../../core/error.ts';
import { printableLines } from '../../core/printable.ts';
import type { CommandContext } from '../command.ts';
import { ask } from './ask.ts';

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
  // Ends what moves on the screen.
  context.emit({ type: 'waiting', reason: 'a disc' });
  stderr.write(printableLines(`\n${error.message}\n  missing: ${error.expected ?? ''}\n`));
  const last = folders.at(-1) ?? '';
  const answer = await ask(
    `Insert the next disc and press Enter (${printableLines(last)}), or type its folder: `,
    context,
  );
  const typed = answer?.trim() ?? '';
  return [typed === '' ? last : context.path(typed)];
}
