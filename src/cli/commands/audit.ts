import { counted, printableLines } from '../../core/text.ts';
import { readLedger, surveyLedger } from '../../site/ledger/site-ledger.ts';
import { recordedClusters } from '../../site/receipts/receipt.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { auditLine, clustersJson } from './history-lines.ts';
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
  const site = await openFolder(options.root, context);
  const { entries, damage } = await surveyLedger(site);
  const clusters = await recordedClusters(site);
  const lines = entries.map((entry) => `${auditLine(entry, clusters.get(entry.number))}\n`);
  const text = printableLines(lines.join(''));
  return withLedgerFault({ json: { entries, ...clustersJson(clusters) }, text }, damage);
}
