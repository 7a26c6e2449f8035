import { counted } from '../../core/amount.ts';
import { printableLines } from '../../core/printable.ts';
import { readLedger, surveyLedger } from '../../site/ledger/site-ledger.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { auditLine } from './history-lines.ts';
import { withLedgerFault } from './ledger-fault.ts';
import { openFolder } from './site.ts';

interface AuditOptions {
  readonly root?: string;
}

/** Verifies the hash chain of a site's ledger against its head and the site's receipts. */
export async function auditVerify(
  options: AuditOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { head } = await readLedger(await openFolder(options.root, context));
  return {
    json: { whole: true, entries: head.number, head: head.digest },
    text: `ledger verified: ${counted(head.number, 'entry', 'entries')}\n  SHA-512 of the last entry: ${head.digest}\n`,
  };
}

/** All ledger entries, oldest first; those before the damage if the ledger is damaged. */
export async function auditShow(
  options: AuditOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { entries, damage } = await surveyLedger(await openFolder(options.root, context));
  const text = printableLines(entries.map((entry) => `${auditLine(entry)}\n`).join(''));
  return withLedgerFault({ json: { entries }, text }, damage);
}
