import { printableLines } from '../../core/printable.ts';
import { grantOverride } from '../../site/applying/grant-override.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openSite } from './site.ts';

export interface OverrideOptions {
  readonly by: string;
  readonly reason: string;
  readonly until: string;
  readonly root?: string;
}

/** Lets a constraint be violated for a while; the ledger, plans and receipts say who did. */
export async function override(
  rule: string,
  { by, reason, until, root }: OverrideOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const granted = await grantOverride({ rule, by, reason, until }, await openSite(root, context));
  return {
    json: { override: granted },
    text: printableLines(`rule ${rule} may be violated until ${until}; the ledger names ${by}\n`),
  };
}
