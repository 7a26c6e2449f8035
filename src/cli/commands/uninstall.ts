import { uninstall as takeOff } from '../../deploy/uninstall.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { changeResult, openSite } from './site.ts';

export async function uninstall(
  release: string,
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  return changeResult(await takeOff(release, openSite(options.root, context)));
}
