import { exitStatus } from '../../../core/error.ts';
import { counted, printableLines } from '../../../core/text.ts';
import { type TakeResult, takeDocuments } from '../../../fleet/take.ts';
import type { CommandContext, CommandResult } from '../../command.ts';
import { alarmLines } from './alarm-lines.ts';
import { changeOptions, type FleetOption, openFleet } from './open-fleet.ts';

/** Records the receipts that came home. */
export async function take(
  paths: readonly string[],
  options: FleetOption,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const places = paths.map((each) => context.path(each));
  const result = await takeDocuments(folder, places, changeOptions(context));
  const refused = result.files.some(({ outcome }) => outcome === 'refused');
  return {
    json: result,
    text: printableLines(`${takenLines(result).join('\n')}\n`),
    ...(refused || result.alarms.length > 0 ? { exitStatus: exitStatus.attention } : {}),
  };
}

function takenLines({ files, alarms }: TakeResult): string[] {
  const count = (outcome: string): number =>
    files.filter((each) => each.outcome === outcome).length;
  const sites = new Set(files.filter(({ outcome }) => outcome === 'taken').map(({ site }) => site));
  return [
    `recorded ${counted(count('taken'), 'document')} of ${counted(sites.size, 'site')}`,
    ...(count('known') === 0 ? [] : [`  ${counted(count('known'), 'document')} known already`]),
    ...files
      .filter(({ outcome }) => outcome === 'refused')
      .map(({ file, reason, code }) => `  REFUSED: ${file}: ${reason} [${code}]`),
    ...alarmLines(alarms),
  ];
}
