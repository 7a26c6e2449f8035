import { interrupted } from '../../core/error.ts';
import { printableLines } from '../../core/text.ts';
import { type CommandContext, usage } from '../command.ts';

/**
 * Asks a question on the terminal, on stderr.
 * @returns the line that was typed; undefined unless stdin and stderr are both terminals
 * @throws StowageError `interrupted` on Ctrl-C, Ctrl-D and abort
 */
export async function ask(
  question: string,
  { terminal, signal }: CommandContext,
): Promise<string | undefined> {
  const { stdin, stderr } = terminal;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
  if (signal.aborted) throw interrupted(signal);
  const { createInterface } = await import('node:readline');
  const reader = createInterface({ input: stdin, output: stderr });
  try {
    return await new Promise<string>((resolve, reject) => {
      const leave = (): void => reject(interrupted(signal, { message: 'interrupted at a prompt' }));
      reader.once('SIGINT', leave).once('close', leave);
      signal.addEventListener('abort', leave, { once: true });
      reader.question(question, resolve);
    });
  } catch (error) {
    stderr.write('\n');
    throw error;
  } finally {
    reader.close();
  }
}

/** How a person confirms a change. */
export interface Confirmation {
  readonly question: string;
  /** The error without a terminal, such as `removing everything needs confirmation`. */
  readonly needed: string;
  /** The answer that confirms, as it is named in the error for another one. */
  readonly expected: string;
  readonly isExpected: (answer: string) => boolean;
  readonly hint?: string;
}

/** Asks before a change. @throws StowageError `usage-invalid` without a terminal, or for another answer; `interrupted` */
export async function requireConfirmation(
  { question, needed, expected, isExpected, hint }: Confirmation,
  context: CommandContext,
): Promise<void> {
  const answer = (await ask(printableLines(question), context))?.trim();
  if (answer === undefined)
    throw usage(needed, 'a terminal to confirm on, or --yes', 'neither', hint);
  if (isExpected(answer)) return;
  const again = 'run the command again, and type exactly what it asks for';
  throw usage('not confirmed; nothing was changed', expected, answer, again);
}
