import { rollback as rollBack } from '../../site/applying/rollback.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { changeResult, openSite } from './site.ts';

export async function rollback(
  options: { readonly to?: number; readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  return changeResult(await rollBack(options.to, await openSite(options.root, context)));
}
