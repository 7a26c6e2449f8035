import { StowageError } from '../../core/error.ts';
import { exists, writeNew } from '../../io/file.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { DEFAULT_MANIFEST } from './manifest-file.ts';
import { manifestTemplate } from './manifest-template.ts';

export async function init(
  file: string | undefined,
  context: CommandContext,
): Promise<CommandResult> {
  const path = context.path(file ?? DEFAULT_MANIFEST);
  if (await exists(path)) {
    throw new StowageError('output-exists', `${path} exists already`, {
      expected: 'a new file name',
      found: 'an existing file',
      hint: 'choose another name, or edit the existing manifest',
    });
  }
  await writeNew(path, Buffer.from(manifestTemplate));
  return {
    json: { manifest: path },
    text: `${path}\n  edit it, then run: stowage lock${file === undefined ? '' : ` ${file}`}\n`,
  };
}
