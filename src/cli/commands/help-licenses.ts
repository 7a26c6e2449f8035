import { dirname, join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { StowageError } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import { readIfThere } from '../../io/file.ts';
import type { CommandContext, CommandResult } from '../command.ts';

/** The licenses of what is inside: a file beside the program, and inside an installer, which travels alone. */
export const NOTICES = 'THIRD-PARTY.txt';

/** `stowage help licenses`: the licenses of Stowage and of the software that it contains. */
export async function helpLicenses({ terminal }: CommandContext): Promise<CommandResult> {
  const text = isSea() ? getAsset(NOTICES, 'utf8') : await besideProgram(terminal.program);
  return { json: { licenses: text }, text };
}

async function besideProgram(program: string): Promise<string> {
  const path = join(dirname(program), NOTICES);
  const text = await readIfThere(path, 16 * MIB);
  if (text !== undefined) return text.toString();
  throw new StowageError('file-missing', 'the file with the licenses is missing', {
    expected: path,
    found: 'no such file',
    hint: 'npm run build writes it to dist; the package and the installers contain it',
  });
}
