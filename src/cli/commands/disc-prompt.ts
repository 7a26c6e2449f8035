import type { StowageError } from '../../core/error.ts';
import { printableLines } from '../../core/text.ts';
import type { CommandContext } from '../command.ts';
import { ask } from './ask.ts';

/**
 * Asks for the next disc: Enter for the same folder as the last disc, or another path.
 * @param error states what is missing
 * @returns the folders to read next; undefined without a terminal
 */
export async function askForDisc(
  error: StowageError,
  folders: readonly string[],
  context: CommandContext,
): Promise<string[] | undefined> {
  const { stdin, stderr } = context.terminal;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
  // Ends the progress display.
  context.emit({ type: 'waiting', reason: 'a disc' });
  stderr.write(printableLines(`\n${error.message}\n  missing: ${error.expected ?? ''}\n`));
  const last = folders.at(-1) ?? '';
  const answer = await ask(
    `Insert the next disc and press Enter to read ${printableLines(last)}, or type another folder: `,
    context,
  );
  const typed = answer?.trim() ?? '';
  return [typed === '' ? last : context.path(typed)];
}
