import { attachRehearsal } from '../../bundle/rehearsal/attach-rehearsal.ts';
import { rehearsalInWords } from '../../bundle/rehearsal/attached-rehearsal.ts';
import { printableLines } from '../../core/text.ts';
import { rehearsalPaths } from '../../format/rehearsal.ts';
import type { CommandContext, CommandResult } from '../command.ts';

export interface AttachRehearsalOptions {
  readonly replace?: boolean;
}

/** Attaches a rehearsal to a bundle, which gets another digest. */
export async function attach(
  place: string,
  file: string,
  { replace = false }: AttachRehearsalOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const attached = await attachRehearsal(context.path(place), context.path(file), { replace });
  const { bundle, id, rehearsal, folders } = attached;
  const lines = [
    `attached to ${bundle.name} ${bundle.version}: ${rehearsalPaths.document}`,
    `  ${rehearsalInWords(rehearsal)}`,
    `  SHA-512 of SHA512SUMS: ${id}`,
    `  next: stowage sign ${place}`,
  ];
  return {
    json: { id, folders, file: rehearsalPaths.document, rehearsal },
    text: printableLines(`${lines.join('\n')}\n`),
  };
}
