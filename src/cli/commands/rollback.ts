import { rollback as rollBack } from '../../site/applying/rollback.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { changeResult, openSite } from './site.ts';

export interface RollbackOptions {
  readonly to?: number;
  readonly dryRun?: boolean;
  readonly rehash?: boolean;
  readonly root?: string;
}

/** Returns to an earlier generation; with `dryRun`, only shows the plan. */
export async function rollback(
  options: RollbackOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (options.dryRun === true) {
    const { plan } = await import('./plan.ts');
    return plan(undefined, { ...options, rollback: true }, context);
  }
  const site = await openSite(options.root, context);
  const opened = { ...site, rehash: options.rehash ?? false };
  return changeResult(await rollBack(options.to, opened), opened.target);
}
