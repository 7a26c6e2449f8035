import { applyPlan } from '../../site/applying/apply-plan.ts';
import { readPlan } from '../../site/planning/plan-approval.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { changeResult, openSite } from './site.ts';

/** Applies a plan that `stowage plan --output` wrote. */
export async function apply(
  file: string,
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const written = await readPlan(context.path(file));
  const opened = await openSite(options.root, context);
  return changeResult(await applyPlan(written, opened), opened.target);
}
