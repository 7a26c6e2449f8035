import { counted, printableLines } from '../../../core/text.ts';
import { withIndex } from '../../../fleet/index/fleet-index.ts';
import {
  countReceipts,
  type PastReceipt,
  receiptsOf,
  runningSince,
} from '../../../fleet/site-report.ts';
import { siteNamed } from '../../../fleet/sites.ts';
import { fleetStatus, type SiteStatus } from '../../../fleet/status.ts';
import type { CommandContext, CommandResult } from '../../command.ts';
import { alarmLines } from './alarm-lines.ts';
import { type FleetOption, openFleet } from './open-fleet.ts';
import { siteLines } from './sites.ts';
import { tableLines } from './table-lines.ts';

/** Receipts that are shown without `--all`. */
const SHOWN = 20;

/** A site with its history. */
export async function show(
  name: string,
  options: FleetOption & { readonly all?: boolean },
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const settings = await folder.settings();
  return withIndex(folder, context, async ({ database }) => {
    siteNamed(database, name);
    const filter = { site: name };
    const [found] = fleetStatus(database, { settings, now: context.now(), filter }).sites;
    if (found === undefined) throw new RangeError(`site ${name} has no status`);
    const total = countReceipts(database, name);
    const receipts = receiptsOf(database, name, options.all === true ? total : SHOWN);
    const running = (found.receipt?.state.releases ?? []).map((each) => {
      const since = runningSince(database, name, each.bundle);
      return { ...each, ...(since === undefined ? {} : { since }) };
    });
    return {
      json: { ...found, running, receipts, total },
      text: printableLines(`${lines(found, running, receipts, total).join('\n')}\n`),
    };
  });
}

function lines(
  { site, receipt, problems, alarms }: SiteStatus,
  running: readonly { readonly name: string; readonly version: string; readonly since?: string }[],
  receipts: readonly PastReceipt[],
  total: number,
): string[] {
  const newest =
    receipt === undefined
      ? ['  no receipt came home yet']
      : [
          `  newest receipt: ${receipt.at}, ${counted(receipt.ageDays, 'day')} old, generation ${receipt.generation}`,
          `  ${receipt.state.platform}, ${receipt.state.engine}, ${receipt.state.tool}`,
        ];
  const rest = total - receipts.length;
  return [
    `site ${site.name}`,
    ...siteLines(site),
    ...newest,
    ...running.map(({ name, version, since }) => `  runs ${name} ${version} since ${since ?? '-'}`),
    ...problems
      .filter(({ text }) => !alarms.some((alarm) => alarm.text === text))
      .map(({ level, text }) => `  ${level === 'failing' ? 'FAILING' : 'ATTENTION'}: ${text}`),
    ...alarmLines(alarms.map((each) => ({ site: site.name, ...each }))),
    ...(receipts.length === 0 ? [] : tableLines(HEADERS, receipts.map(receiptRow))),
    ...(rest > 0 ? [`${counted(rest, 'older receipt')} not shown; use --all to show all`] : []),
  ];
}

const HEADERS = ['RECEIPT', 'COMMAND', 'GENERATION', 'HEALTH', 'RUNS'];

function receiptRow({ at, intent, outcome, generation, healthy, releases }: PastReceipt): string[] {
  return [
    at,
    outcome === 'kept' ? intent : `${intent}, rolled back`,
    String(generation),
    healthy ? 'healthy' : 'failing',
    releases.map(({ name, version }) => `${name} ${version}`).join(', ') || '-',
  ];
}
