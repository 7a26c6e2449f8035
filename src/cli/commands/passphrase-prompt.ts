import { interrupted } from '../../core/error.ts';
import type { CommandContext } from '../command.ts';

const key = {
  interrupt: 0x03,
  end: 0x04,
  backspace: 0x08,
  lineFeed: 0x0a,
  return: 0x0d,
  eraseLine: 0x15,
  delete: 0x7f,
} as const;

const atPrompt = {
  message: 'interrupted at the passphrase prompt',
  hint: 'run the same command again: nothing was written',
};

/**
 * Asks for a passphrase on stderr, without echo.
 * @returns undefined unless stdin and stderr are both terminals
 * @throws StowageError `interrupted` on Ctrl-C, Ctrl-D and abort
 */
export async function askPassphrase(
  question: string,
  { terminal, signal }: CommandContext,
): Promise<Buffer | undefined> {
  const { stdin, stderr } = terminal;
  if (stdin.isTTY !== true || stderr.isTTY !== true || stdin.setRawMode === undefined)
    return undefined;
  if (signal.aborted) throw interrupted(signal, atPrompt);
  stdin.setRawMode(true);
  const typed: number[] = [];
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      const leave = (settle: () => void): void => {
        stdin.off('data', onData).off('end', abort).pause();
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => leave(() => reject(interrupted(signal, atPrompt)));
      const onData = (chunk: Buffer | string): void => {
        const bytes = Buffer.from(chunk);
        for (const [at, byte] of bytes.entries()) {
          switch (byte) {
            case key.lineFeed:
            case key.return: {
              const rest = bytes.subarray(at + 1);
              leave(() => resolve(Buffer.from(typed)));
              // Pasted text after the line is kept for the next prompt.
              if (rest.length > 0) stdin.unshift(rest);
              return;
            }
            case key.interrupt:
            case key.end:
              abort();
              return;
            case key.backspace:
            case key.delete:
              eraseCharacter(typed);
              break;
            case key.eraseLine:
              typed.length = 0;
              break;
            default:
              typed.push(byte);
          }
        }
        bytes.fill(0);
      };
      stdin.on('data', onData).once('end', abort).resume();
      signal.addEventListener('abort', abort, { once: true });
      stderr.write(question);
    });
  } finally {
    typed.fill(0);
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}

// UTF-8: also removes the continuation bytes of a character.
function eraseCharacter(typed: number[]): void {
  while (((typed.pop() ?? 0) & 0xc0) === 0x80);
}
