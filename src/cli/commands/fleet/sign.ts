import { relative } from 'node:path';
import { signFact } from '../../../fleet/sign-fact.ts';
import type { CommandContext, CommandResult } from '../../command.ts';
import type { KeyOptions } from '../signing-key.ts';
import { changeOptions, type FleetOption, factSigner, openFleet } from './open-fleet.ts';

export type FleetSignOptions = FleetOption & KeyOptions & { readonly role: 'release' | 'approval' };

/** Adds a signature to a document of the fleet. */
export async function fleetSign(
  document: string,
  options: FleetSignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const { role } = options;
  const by = await factSigner(options, context, role);
  // Named as check and status print it, or as a shell completes it.
  const inside = relative(folder.root, context.path(document));
  const path = inside.startsWith('..') ? document : inside;
  const signed = await signFact(folder, path, { by, role }, changeOptions(context));
  return {
    json: signed,
    text: `${signed.signature}\n  ${signed.inForce ? 'the document is in force' : `not in force yet: ${signed.reason}`}\n`,
  };
}
