import { StowageError } from '../../../core/error.ts';
import { counted } from '../../../core/text.ts';
import { checkFleet } from '../../../fleet/check.ts';
import type { CommandContext, CommandResult } from '../../command.ts';
import { type FleetOption, openFleet } from './open-fleet.ts';

/** Verifies a fleet and rebuilds its index. */
export async function check(options: FleetOption, context: CommandContext): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const found = await checkFleet(folder, context);
  const { entries, documents, defects } = found;
  if (defects.length > 0)
    throw new StowageError('fleet-damaged', 'this fleet is not as its ledger records it', {
      expected: 'every document as it was recorded and signed',
      found: counted(defects.length, 'defect'),
      hint: 'restore the files from version control, and remove those that no command recorded',
      defects: defects.map(({ path, text }) => `${path}: ${text}`),
    });
  return {
    json: found,
    text: `${counted(documents, 'document')} and ${counted(entries, 'ledger entry', 'ledger entries')} verified; the index is up to date\n`,
  };
}
