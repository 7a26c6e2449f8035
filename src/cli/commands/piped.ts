import { readPipe } from '../../io/byte-source.ts';
import { type CommandContext, usage } from '../command.ts';

/** Bytes that were piped to the program. */
export interface Piped extends AsyncIterable<Uint8Array> {
  destroy(): unknown;
}

/** stdin if `-` is given instead of folders: a stream that `stowage stream` writes. @throws StowageError `usage-invalid` */
export function pipedOf(places: readonly string[], context: CommandContext): Piped | undefined {
  if (!places.includes('-')) return undefined;
  if (places.length > 1)
    throw usage('- cannot be combined with folders', '- alone', places.join(' '));
  const { stdinFd } = context.terminal;
  const pipe = stdinFd === undefined ? undefined : readPipe(stdinFd);
  if (pipe !== undefined) return pipe;
  const { stdin } = context.terminal;
  if (stdin.isTTY === true)
    throw usage(
      'stdin is a terminal',
      'a pipe from stowage stream',
      'a terminal',
      'pipe a stream into the command or redirect its input, such as < /dev/nst0; for media, give their folders in place of -',
    );
  return stdin;
}

/** Closes a pipe, so that its writer does not block. */
export function closePiped(given: object): void {
  if ('destroy' in given && typeof given.destroy === 'function') given.destroy();
}
