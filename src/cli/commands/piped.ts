import { type CommandContext, usage } from '../command.ts';
import type { Keyboard } from '../terminal.ts';

/** stdin, where `-` stands in place of folders: what `stowage stream` writes. @throws StowageError `usage-invalid` */
export function pipedOf(places: readonly string[], context: CommandContext): Keyboard | undefined {
  if (!places.includes('-')) return undefined;
  if (places.length > 1)
    throw usage('one pipe carries one whole bundle', '- alone', places.join(' '));
  const { stdin } = context.terminal;
  if (stdin.isTTY === true)
    throw usage('- is a pipe', 'stowage stream BUNDLE before it', 'a terminal');
  return stdin;
}

/** Ends a pipe, so that nobody waits for what is not read. */
export function closePiped(given: Keyboard | readonly string[]): void {
  if ('destroy' in given) given.destroy();
}
