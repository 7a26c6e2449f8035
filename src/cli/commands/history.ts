import { counted } from '../../core/amount.ts';
import { printableLines } from '../../core/printable.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import { currentGeneration, generationNumbers } from '../../site/generations.ts';
import { readLedger } from '../../site/ledger/site-ledger.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openFolder } from './site.ts';

/** Past commands at a site, oldest first, and the generations available for rollback. */
export async function history(
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openFolder(options.root, context);
  const { entries } = await readLedger(site);
  const current = (await currentGeneration(site)).number;
  const kept = await generationNumbers(site);
  const done = entries.filter(
    ({ event }) => event.kind === 'command' || event.kind === 'collected',
  );
  const lines = [
    ...done.map(describe),
    done.length === 0
      ? 'no command has changed this site yet'
      : `current generation: ${current}; available: ${kept.join(', ') || 'none'}`,
  ];
  return { json: { current, kept, done }, text: printableLines(`${lines.join('\n')}\n`) };
}

function describe({ at, event }: LedgerEntry): string {
  if (event.kind === 'collected')
    return `${at}  gc         ${counted(event.generations, 'generation')} and ${counted(event.blobs, 'blob')} removed`;
  if (event.kind !== 'command') return '';
  const { command, outcome, generation, detail, approvedBy = [] } = event;
  const rest = [
    outcome === 'kept'
      ? `generation ${generation}`
      : `${outcome}; still at generation ${generation}`,
    ...(approvedBy.length === 0 ? [] : [`approved by ${approvedBy.join(' and ')}`]),
    ...(detail === '' ? [] : [detail]),
  ];
  return `${at}  ${command.padEnd(9)}  ${rest.join('; ')}`;
}
