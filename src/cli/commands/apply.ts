import { printableLines } from '../../core/text.ts';
import { applyPlan, rollback as rollBack } from '../../site/applying/change-release.ts';
import { grantOverride } from '../../site/applying/grant-override.ts';
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

export interface OverrideOptions {
  readonly by: string;
  readonly reason: string;
  readonly until: string;
  readonly root?: string;
}

/** Temporarily overrides a failed check. The ledger, plans and receipts record who is responsible. */
export async function override(
  rule: string,
  { by, reason, until, root }: OverrideOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const granted = await grantOverride({ rule, by, reason, until }, await openSite(root, context));
  return {
    json: { override: granted },
    text: printableLines(
      `check ${rule} is overridden until ${until}; recorded in the ledger under ${by}\n`,
    ),
  };
}

export interface RollbackOptions {
  readonly to?: number;
  /** Shows the plan instead: `planRollback`. */
  readonly dryRun?: boolean;
  readonly rehash?: boolean;
  readonly root?: string;
}

/** Returns to an earlier generation. */
export async function rollback(
  options: RollbackOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openSite(options.root, context);
  const opened = { ...site, rehash: options.rehash ?? false };
  return changeResult(await rollBack(options.to, opened), opened.target);
}
