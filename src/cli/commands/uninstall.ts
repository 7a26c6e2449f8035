import { clearSite } from '../../site/applying/clear-site.ts';
import { uninstall as uninstallRelease } from '../../site/applying/uninstall.ts';
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
      'give a release or --everything',
      'exactly one of them',
      everything ? 'both' : 'neither',
    );
  if (everything !== (receipt !== undefined))
    throw usage(
      '--everything and --receipt must be used together',
      'both or neither',
      'one of them',
    );
  const opened = await openSite(options.root, context);
  if (release !== undefined)
    return changeResult(await uninstallRelease(release, opened), opened.target);
  const file = context.path(receipt ?? '');
  const releases = await clearSite({ ...opened, receipt: file });
  return {
    json: { releases, root: opened.site.root, receipt: file },
    text: `uninstalled ${releases.join(', ') || 'no release'}; deleted ${opened.site.root}\n  last receipt: ${file}\n`,
  };
}
