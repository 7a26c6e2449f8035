import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { forgetRelease } from '../../site/applying/forget-release.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openSite } from './site.ts';

export interface ForgetCommandOptions {
  readonly dryRun?: boolean;
  readonly root?: string;
}

/** Removes a stored release that is not installed. */
export async function forget(
  release: string,
  options: ForgetCommandOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { dryRun = false } = options;
  const opened = await openSite(options.root, context);
  const found = await forgetRelease(release, { ...opened, dryRun });
  const { generations, blobs, bytes, keptBy } = found;
  const lines = [
    `${dryRun ? 'would remove' : 'removed'} release ${found.release}: ${counted(blobs, 'blob')}, ${formatBytes(bytes)}`,
    ...(generations.length === 0
      ? []
      : [
          `  with ${generations.length === 1 ? 'generation' : 'generations'} ${generations.join(', ')}: no rollback to ${generations.length === 1 ? 'it' : 'them'} is possible anymore`,
        ]),
    ...(keptBy.length === 0
      ? []
      : [
          `  its blobs stay in the store: ${keptBy.join(', ')} may need them; next: finish the import or run stowage gc --incomplete`,
        ]),
  ];
  return { json: { ...found, dryRun }, text: printableLines(`${lines.join('\n')}\n`) };
}
