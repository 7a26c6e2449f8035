import { rollback as rollBack } from '../../site/applying/rollback.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { changeResult, openSite } from './site.ts';

export async function rollback(
  options: { readonly to?: number; readonly root?: string; readonly rehash?: boolean },
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openSite(options.root, context);
  const opened = { ...site, rehash: options.rehash ?? false };
  return changeResult(await rollBack(options.to, opened), opened.target);
}
