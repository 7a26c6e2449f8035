import { counted, printableLines } from '../../core/text.ts';
import { resultsOf } from '../../site/evaluation/evaluation-results.ts';
import { currentGeneration, keptGenerations } from '../../site/generations.ts';
import { readLedger, surveyLedger } from '../../site/ledger/site-ledger.ts';
import { recordedClusters } from '../../site/receipts/receipt.ts';
import { withdrawnAt } from '../../site/status.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import {
  auditLine,
  clustersJson,
  evaluationLine,
  generationLines,
  historyLine,
} from './history-lines.ts';
import { openFolder, withdrawnJson, withdrawnLines } from './site.ts';
import { withLedgerFault } from './site-check.ts';

/** What was imported, changed and recalled at a site, oldest first, and the generations available for rollback. */
export async function history(
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openFolder(options.root, context);
  const { entries, damage } = await surveyLedger(site);
  const current = (await currentGeneration(site)).number;
  const generations = await keptGenerations(site);
  const kept = generations.map(({ number }) => number);
  const clusters = await recordedClusters(site);
  const evaluations = (await resultsOf(site)).map(({ result: { results: _, ...rest } }) => rest);
  const withdrawn = await withdrawnAt({ site, kept: generations, entries }, context.now());
  const { mark } = withdrawn;
  const lines = [
    ...inOrder([
      ...entries.map((each) => historyLine(each, clusters.get(each.number))),
      ...evaluations.map(evaluationLine),
    ]),
    ...(entries.length === 0 && damage === undefined
      ? ['no command has changed this site yet']
      : []),
    `current generation: ${current === 0 ? 'none' : current}`,
    ...generationLines(generations, current, mark),
    ...withdrawnLines(withdrawn),
  ];
  const contents = generations.map(({ number, appliedAt, releases }) => ({
    number,
    appliedAt,
    releases: releases.map((release) => {
      const withdrawn = mark(release);
      return { ...release, ...(withdrawn === undefined ? {} : { withdrawn }) };
    }),
  }));
  const result = {
    json: {
      ...{ current, kept, generations: contents, done: entries },
      ...{ ...clustersJson(clusters), ...withdrawnJson(withdrawn) },
      ...(evaluations.length === 0 ? {} : { evaluations }),
    },
    text: printableLines(`${lines.join('\n')}\n`),
  };
  return withLedgerFault(result, damage);
}

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

/** Lines that begin with a moment, by it; those of one moment stay in their order. */
function inOrder(lines: readonly string[]): string[] {
  return lines.toSorted((a, b) => compare(a.slice(0, 20), b.slice(0, 20)));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
