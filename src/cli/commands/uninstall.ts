import { clearSite } from '../../site/applying/clear-site.ts';
import { uninstall as takeOff } from '../../site/applying/uninstall.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { changeResult, openSite } from './site.ts';

export interface UninstallOptions {
  readonly everything?: boolean;
  readonly receipt?: string;
  readonly root?: string;
}

export async function uninstall(
  release: string | undefined,
  options: UninstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { everything = false, receipt } = options;
  if (everything === (release !== undefined))
    throw usage(
      'it is not clear what to take off',
      'a release, or --everything',
      everything ? 'both' : 'neither',
    );
  if (everything !== (receipt !== undefined))
    throw usage('--everything and --receipt belong together', 'both or neither', 'one of them');
  const opened = await openSite(options.root, context);
  if (release !== undefined) return changeResult(await takeOff(release, opened), opened.target);
  const file = context.path(receipt ?? '');
  const releases = await clearSite({ ...opened, receipt: file });
  return {
    json: { releases, root: opened.site.root, receipt: file },
    text: `${releases.join(', ') || 'no release'} taken off; ${opened.site.root} is gone\n  the last receipt: ${file}\n`,
  };
}
