import { basename, dirname } from 'node:path';
import { readChain, trustFileVersion } from '../../../bundle/admission/trust-files.ts';
import { recordTrust } from '../../../fleet/record-trust.ts';
import { type CommandContext, type CommandResult, usage } from '../../command.ts';
import { changeOptions, type FleetOption, openFleet } from './open-fleet.ts';

/** Records the trust documents up to one in a file, each signed as the one before it requires. */
export async function fleetTrust(
  file: string,
  options: FleetOption,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const path = context.path(file);
  const upTo = trustFileVersion(basename(path));
  if (upTo === undefined)
    throw usage(
      'the file name does not say which version the trust document has',
      'VERSION.trust.json, with its signatures and earlier documents next to it',
      basename(path),
    );
  const result = await recordTrust(
    folder,
    (above) => readChain(dirname(path), { above, upTo }),
    changeOptions(context),
  );
  return {
    json: result,
    text:
      result.from === result.version
        ? `nothing to do: the fleet has trust document ${result.version}\n`
        : `recorded trust document ${result.version}, replacing ${result.from}\n`,
  };
}
