import { printableLines } from '../../core/text.ts';
import { replaceSiteKey } from '../../site/applying/replace-key.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openSite } from './site.ts';

/** Replaces the key of the site, and writes the handover to a folder. */
export async function receiptNewKey(
  folder: string,
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openSite(options.root, context);
  const { file, old, certificate } = await replaceSiteKey(opened, context.path(folder));
  return {
    json: { handover: file, old: old.fingerprint, fingerprint: certificate.fingerprint },
    text: printableLines(
      `${file}\n  the key ${old.fingerprint} handed over to ${certificate.fingerprint}\n  next: send the file and its .p7s to the fleet, before or with the next receipt\n`,
    ),
  };
}
