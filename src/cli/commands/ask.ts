import { interrupted } from '../../core/interrupted.ts';
import type { CommandContext } from '../command.ts';

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
