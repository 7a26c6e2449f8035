import { type ExitStatus, exitStatus } from '../../../core/error.ts';
import { counted, printableLines } from '../../../core/text.ts';
import {
  type AskedAndDone,
  askedAndDone,
  dispatchesTo,
  newestReceiptOf,
} from '../../../fleet/dispatch.ts';
import { fleetPage } from '../../../fleet/fleet-page.ts';
import { withIndex } from '../../../fleet/index/fleet-index.ts';
import { prometheusText } from '../../../fleet/prometheus.ts';
import { catalogOf } from '../../../fleet/releases.ts';
import {
  countReceipts,
  type PastReceipt,
  receiptsOf,
  runningSince,
} from '../../../fleet/site-report.ts';
import { siteNamed } from '../../../fleet/sites.ts';
import {
  type FleetStatus,
  fleetStatus,
  recallProgress,
  releaseCounts,
  type SiteFilter,
  type SiteStatus,
  worstOf,
} from '../../../fleet/status.ts';
import { waitingText } from '../../../fleet/under-way.ts';
import { writeAtomic } from '../../../io/file.ts';
import { type CommandContext, type CommandResult, columnsOf, usage } from '../../command.ts';
import { alarmLines } from './folder.ts';
import { type FleetOption, labelsOf, openFleet, tableLines } from './open-fleet.ts';
import { siteLines } from './sites.ts';

export interface FleetStatusOptions extends FleetOption {
  readonly label: readonly string[];
  /** `NAME` or `NAME@VERSION`. */
  readonly release?: string;
  readonly byRelease?: boolean;
  readonly check?: boolean;
  readonly prometheus?: boolean;
}

/** The state of a fleet. */
export async function status(
  options: FleetStatusOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const settings = await folder.settings();
  const ways = [options.byRelease, options.check, options.prometheus].filter((each) => each);
  if (ways.length > 1)
    throw usage('conflicting options', 'one of --by-release, --check and --prometheus', 'several');
  const filter = filterOf(options);
  return withIndex(folder, context, async ({ database }) => {
    const found = fleetStatus(database, { settings, now: context.now(), filter });
    if (options.byRelease === true) return byRelease(found);
    if (options.prometheus === true) return { json: found, text: prometheusText(found) };
    if (options.check === true) return problemsOnly(found);
    return { json: found, text: printableLines(`${statusLines(found, context).join('\n')}\n`) };
  });
}

function filterOf({ label, release }: FleetStatusOptions): SiteFilter {
  const labels = labelsOf(label);
  if (release === undefined) return { labels };
  const [name = '', version] = release.split('@');
  return { labels, release: { name, ...(version === undefined ? {} : { version }) } };
}

function byRelease(found: FleetStatus): CommandResult {
  const releases = releaseCounts(found);
  const rows = releases.map(({ name, version, seq, sites, healthy }) => [
    `${name} ${version}`,
    String(seq),
    String(sites),
    String(healthy),
  ]);
  const lines = tableLines(['RELEASE', 'SEQUENCE', 'SITES', 'HEALTHY'], rows);
  return { json: { releases }, text: printableLines(`${lines.join('\n')}\n`) };
}

/** One line for each problem, with an exit status for monitoring. */
function problemsOnly(found: FleetStatus): CommandResult {
  const problems = found.sites.flatMap(({ site, problems: own }) =>
    own.map((each) => ({ site: site.name, ...each })),
  );
  const lines = [
    ...problems.map(({ site, level, text }) => `${site}: ${level}: ${text}`),
    ...found.defects.map(({ path, text }) => `${path}: attention: not in force: ${text}`),
  ];
  const worst =
    worstOf(problems) ?? (found.defects.length > 0 ? ('attention' as const) : undefined);
  const statuses: Readonly<Record<'attention' | 'failing', ExitStatus>> = {
    attention: exitStatus.attention,
    failing: exitStatus.failing,
  };
  return {
    json: { problems, defects: found.defects },
    text: printableLines(lines.map((line) => `${line}\n`).join('')),
    ...(worst === undefined ? {} : { exitStatus: statuses[worst] }),
  };
}

function statusLines(found: FleetStatus, { terminal }: CommandContext): string[] {
  const { fleet, sites, defects } = found;
  const count = (level: 'failing' | 'attention'): number =>
    sites.filter(({ problems }) => worstOf(problems) === level).length;
  const head = `fleet ${fleet}: ${counted(sites.length, 'site')}, ${count('failing')} failing, ${count('attention')} ${count('attention') === 1 ? 'needs' : 'need'} attention`;
  const rows = sites.map((each) => [
    each.site.name,
    healthOf(each),
    each.receipt === undefined ? '-' : `${each.receipt.ageDays} d`,
    releasesOf(each).join(', ') || '-',
    each.problems.map(({ text }) => text).join('; '),
    each.underWay === undefined ? '' : waitingText(each.underWay),
  ]);
  const table = tableLines(['SITE', 'HEALTH', 'RECEIPT', 'RUNS', 'PROBLEMS', 'UNDER WAY'], rows);
  const columns = columnsOf(terminal.stdout);
  const fits = columns === undefined || table.every((line) => line.length <= columns);
  return [
    head,
    ...(sites.length === 0 ? [] : fits ? table : sites.flatMap(blockOf)),
    ...defects.map(({ path, text }) => `NOT IN FORCE: ${path}: ${text}`),
  ];
}

/** A site on lines of its own, for a narrow terminal. */
function blockOf(each: SiteStatus): string[] {
  const { site, receipt, problems, underWay } = each;
  const age = receipt === undefined ? '' : `, receipt ${counted(receipt.ageDays, 'day')} old`;
  return [
    `${site.name}: ${healthOf(each)}${age}`,
    ...releasesOf(each).map((line) => `  ${line}`),
    ...problems.map(({ text }) => `  ${text}`),
    ...(underWay === undefined ? [] : [`  under way: ${waitingText(underWay)}`]),
  ];
}

function healthOf({ site, receipt, problems }: SiteStatus): string {
  if (site.retired === true) return 'retired';
  if (receipt === undefined) return 'unknown';
  return worstOf(problems) ?? 'healthy';
}

function releasesOf({ receipt, behind }: SiteStatus): string[] {
  return (receipt?.state.releases ?? []).map(({ name, version }) => {
    const late = behind.find((each) => each.name === name);
    return late === undefined
      ? `${name} ${version}`
      : `${name} ${version} (${late.versions} behind ${late.newest}, ${late.days} d)`;
  });
}

/** Receipts of each site that the page shows. */
const SHOWN_PER_SITE = 6;

/** Writes the state of a fleet as a page; an older page at the same path is replaced. */
export async function fleetPageTo(
  file: string,
  options: FleetOption & { readonly label: readonly string[] },
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const settings = await folder.settings();
  const filter = { labels: labelsOf(options.label) };
  return withIndex(folder, context, async ({ database }) => {
    const status = fleetStatus(database, { settings, now: context.now(), filter });
    const recalls = catalogOf(database).recalls.map((each) => recallProgress(each, status));
    const history = (site: string): ReturnType<typeof receiptsOf> =>
      receiptsOf(database, site, SHOWN_PER_SITE);
    const path = context.path(file);
    await writeAtomic(path, fleetPage({ status, recalls, history }));
    return { json: { page: path, sites: status.sites.length }, text: `${path}\n` };
  });
}

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
    const dispatches = dispatchesTo(database, name);
    const newest = await newestReceiptOf(database, folder, name);
    const asked = askedAndDone(database, dispatches, newest?.receipt);
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
      json: { ...found, running, asked, receipts, total },
      text: printableLines(`${lines(found, { running, asked, receipts, total }).join('\n')}\n`),
    };
  });
}

function lines(
  { site, receipt, problems, alarms }: SiteStatus,
  { running, asked, receipts, total }: History,
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
    ...(asked.length === 0 ? [] : tableLines(ASKED, newestFirst(asked).map(askedRow))),
    ...(receipts.length === 0 ? [] : tableLines(HEADERS, receipts.map(receiptRow))),
    ...(rest > 0 ? [`${counted(rest, 'older receipt')} not shown; use --all to show all`] : []),
  ];
}

interface History {
  readonly running: readonly {
    readonly name: string;
    readonly version: string;
    readonly since?: string;
  }[];
  readonly asked: readonly AskedAndDone[];
  readonly receipts: readonly PastReceipt[];
  readonly total: number;
}

const ASKED = ['WRITTEN', 'ASKED', 'HAPPENED'];

/** What was written together stays in the order of import. */
function newestFirst(asked: readonly AskedAndDone[]): AskedAndDone[] {
  return asked.toSorted((a, b) => b.number - a.number);
}

function askedRow({ at, asked, found }: AskedAndDone): string[] {
  return [at, asked, found];
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
