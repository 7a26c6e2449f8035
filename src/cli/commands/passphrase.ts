import { StowageError } from '../../core/error.ts';
import { readBounded } from '../../io/file.ts';
import type { CommandContext } from '../command.ts';

/** The first line of a file, without its line feed: never an argument or a variable, which others can read. */
export async function readPassphrase(
  file: string | undefined,
  context: CommandContext,
): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  const bytes = await readBounded(context.path(file), 4096);
  const end = bytes.indexOf(0x0a);
  const line = end === -1 ? bytes : bytes.subarray(0, end);
  if (line.length > 0) return line;
  throw new StowageError('key-invalid', 'the passphrase file is empty', {
    expected: 'a passphrase on its first line',
    found: 'an empty line',
    hint: 'write the passphrase into the file, or leave --passphrase-file away for a key without one',
  });
}
