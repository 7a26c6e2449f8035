import { anchorTrust } from '../../../bundle/admission/trust-anchor.ts';
import { initFleet } from '../../../fleet/init.ts';
import { name as fleetName } from '../../../format/field.ts';
import {
  type CommandContext,
  type CommandResult,
  fleetRoot,
  ledgerUser,
  usage,
} from '../../command.ts';
import { confirmFingerprint } from '../confirm.ts';
import { readTrustFile } from '../trust-option.ts';

export interface FleetInitOptions {
  readonly name: string;
  readonly trust: string;
  readonly fingerprint?: string;
}

/** Creates the folder of a fleet, after a person confirmed its trust document. */
export async function fleetInit(
  folder: string | undefined,
  options: FleetInitOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { name, fingerprint } = options;
  if (!fleetName.safeParse(name).success)
    throw usage('invalid --name', 'lower-case letters, digits and single hyphens', name);
  const given = await readTrustFile(options.trust, context);
  const trust = await anchorTrust(undefined, given, (each) =>
    confirmFingerprint(
      each,
      fingerprint,
      context,
      'The fleet has no trust document yet. To be trusted',
    ),
  );
  const root = fleetRoot(context, folder);
  await initFleet({ root, name, trust, by: ledgerUser(context), now: context.now() });
  return {
    json: { fleet: name, folder: root, trust: trust.version, fingerprint: given.fingerprint },
    text: `created fleet ${name} at ${root}\n  trust document ${trust.version}, SHA-256 ${given.fingerprint}\n  next: keep the folder in version control, and add sites with stowage fleet add-site\n`,
  };
}
