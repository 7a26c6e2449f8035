import { rollback as rollBack } from '../../site/applying/rollback.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { changeResult, openSite } from './site.ts';

export async function rollback(
  options: { readonly to?: number; readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openSite(options.root, context);
  return changeResult(await rollBack(options.to, opened), opened.target);
}
