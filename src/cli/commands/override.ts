import { printableLines } from '../../core/text.ts';
import { grantOverride } from '../../site/applying/grant-override.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openSite } from './site.ts';

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
