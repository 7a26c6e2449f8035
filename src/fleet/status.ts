import { counted } from '../core/text.ts';
import type { Dispatch } from '../format/dispatch.ts';
import type { Fleet, FleetSite } from '../format/fleet.ts';
import type { Alarm, AlarmKind } from './history.ts';
import type { Database } from './index/database.ts';
import { availableSince, newerThan } from './newer-releases.ts';
import type { ReceiptState } from './receipt-state.ts';
import {
  bundlesOf,
  type Catalog,
  catalogOf,
  type FleetRecall,
  recallsOf,
  recallWords,
} from './releases.ts';
import { hasLabels, sitesOf } from './sites.ts';
import { newestDispatches, type UnderWay, underWay } from './under-way.ts';

/** How bad a problem is: `failing` for what does not work or cannot be believed, `attention` for what a person should look at. */
export type Level = 'attention' | 'failing';

export interface Problem {
  readonly level: Level;
  readonly text: string;
}

/** The newest receipt of a site. */
export interface NewestReceipt {
  readonly path: string;
  readonly at: string;
  /** Whole days from its time until now; 0 for one from the future. */
  readonly ageDays: number;
  readonly generation: number;
  readonly state: ReceiptState;
}

/** A release that is older than what the channels of its site have. */
export interface Behind {
  readonly name: string;
  /** How many newer versions there are. */
  readonly versions: number;
  readonly newest: string;
  /** Whole days since the first of them was available. */
  readonly days: number;
}

/** A site as its receipts show it. */
export interface SiteStatus {
  readonly site: FleetSite;
  /** Absent while no receipt came home. */
  readonly receipt?: NewestReceipt;
  readonly behind: readonly Behind[];
  /** What travels to it; absent if nothing does. */
  readonly underWay?: UnderWay;
  readonly alarms: readonly Alarm[];
  readonly problems: readonly Problem[];
}

export interface FleetStatus {
  readonly fleet: string;
  readonly at: string;
  readonly sites: readonly SiteStatus[];
  /** Documents that are recorded but do not hold. */
  readonly defects: readonly { readonly path: string; readonly text: string }[];
}

/** Which sites are asked for; all by default. */
export interface SiteFilter {
  readonly labels?: readonly (readonly [name: string, value: string])[];
  /** Sites that run this release, or this version of it. */
  readonly release?: { readonly name: string; readonly version?: string };
  readonly site?: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Alarms that say that the history of a site cannot be believed. */
const GRAVE: ReadonlySet<AlarmKind> = new Set(['two-histories', 'old-key']);

interface Row {
  readonly site: string;
  readonly path: string;
  readonly at: string;
  readonly generation: number;
  readonly outcome: string;
  readonly state: string;
}

/** The state of the sites of a fleet. */
export function fleetStatus(
  database: Database,
  { settings, now, filter = {} }: { settings: Fleet; now: Date; filter?: SiteFilter },
): FleetStatus {
  const rows = new Map(
    database
      .all<Row>(
        'SELECT receipt.site, path, at, generation, outcome, state FROM newest JOIN receipt ON id = newest.receipt',
      )
      .map((row) => [row.site, row]),
  );
  const alarms = Map.groupBy(
    database.all<Alarm & { readonly site: string }>(
      'SELECT site, kind, text, first, second FROM alarm ORDER BY site, kind, first',
    ),
    ({ site }) => site,
  );
  const catalog = catalogOf(database);
  const dispatches = newestDispatches(database);
  const sites = sitesOf(database)
    .filter((each) => filter.site === undefined || each.name === filter.site)
    .filter((each) => hasLabels(each, filter.labels ?? []))
    .map((site) => {
      const of = (alarms.get(site.name) ?? []).map(({ site: _, ...alarm }) => alarm);
      const row = rows.get(site.name);
      return siteStatus(site, { row, alarms: of, dispatches, settings, now, catalog });
    })
    .filter((each) => runs(each, filter.release));
  const defects = database.all<{ path: string; text: string }>(
    'SELECT path, text FROM defect ORDER BY path',
  );
  return { fleet: settings.name, at: now.toISOString(), sites, defects };
}

function siteStatus(
  site: FleetSite,
  about: {
    readonly row: Row | undefined;
    readonly alarms: readonly Alarm[];
    readonly dispatches: ReadonlyMap<string, Dispatch>;
    readonly settings: Fleet;
    readonly now: Date;
    readonly catalog: Catalog;
  },
): SiteStatus {
  const { row, alarms, dispatches, settings, now, catalog } = about;
  const found = alarms.map(
    ({ kind, text }): Problem => ({ level: GRAVE.has(kind) ? 'failing' : 'attention', text }),
  );
  if (row === undefined) {
    const none: Problem = { level: 'attention', text: 'no receipt came home yet' };
    return { site, behind: [], alarms, problems: site.retired === true ? [] : [none, ...found] };
  }
  const state = JSON.parse(row.state) as ReceiptState;
  const { path, at, generation } = row;
  const ageDays = Math.max(0, Math.floor((now.getTime() - Date.parse(at)) / DAY_MS));
  const receipt: NewestReceipt = { path, at, ageDays, generation, state };
  const problems = [
    ...releaseProblems(state, catalog),
    ...stateProblems(state, now),
    ...(row.outcome === 'rolled-back'
      ? [attention('the last change failed and was rolled back')]
      : []),
    ...(ageDays >= settings.receiptDays
      ? [attention(`the newest receipt is ${counted(ageDays, 'day')} old`)]
      : []),
    ...found,
  ];
  if (site.retired === true) return { site, receipt, behind: [], alarms, problems: [] };
  const behind = behindOf(site, { state, catalog, now });
  const dispatch = dispatches.get(site.name);
  const travels = dispatch && underWay(dispatch, receipt);
  return {
    ...{ site, receipt, behind, alarms, problems },
    ...(travels === undefined ? {} : { underWay: travels }),
  };
}

/** Recalled releases, releases with vulnerabilities that nobody ruled out, and bundles of which the fleet knows nothing although it knows others of their name. */
function releaseProblems({ releases }: ReceiptState, catalog: Catalog): Problem[] {
  return releases.flatMap((each): Problem[] => {
    const { name, version, bundle } = each;
    const recalls = recallsOf(each, catalog);
    const advisory = catalog.advisories.get(bundle);
    const known = bundlesOf(name, catalog);
    const isStrange = known.size > 0 && !known.has(bundle);
    const { reason, way } = recallWords(recalls, 'upgrade');
    return [
      ...(recalls.length === 0
        ? []
        : [
            {
              level: 'failing',
              text: `runs ${name} ${version}, which is recalled: ${reason}; next: ${way}`,
            } as const,
          ]),
      ...(advisory === undefined || advisory.open === 0
        ? []
        : [
            attention(
              `${name} ${version} has ${counted(advisory.open, 'open vulnerability', 'open vulnerabilities')}, by its scan of ${advisory.at}`,
            ),
          ]),
      ...(isStrange
        ? [attention(`runs ${name} ${version} of a bundle that this fleet does not know`)]
        : []),
    ];
  });
}

function behindOf(
  { channels }: FleetSite,
  { state, catalog, now }: { state: ReceiptState; catalog: Catalog; now: Date },
): Behind[] {
  return state.releases.flatMap((running): Behind[] => {
    const newer = newerThan(running, channels, catalog);
    const [newest] = newer;
    if (newest === undefined) return [];
    const since = availableSince(newer, channels);
    const days = Math.max(0, Math.floor((now.getTime() - Date.parse(since)) / DAY_MS));
    return [{ name: running.name, versions: newer.length, newest: newest.version, days }];
  });
}

function stateProblems(state: ReceiptState, now: Date): Problem[] {
  const { failing, stopped, drift, overrides } = state;
  return [
    ...failing.map((text): Problem => ({ level: 'failing', text })),
    ...stopped.map((text) => attention(`stopped on purpose: ${text}`)),
    ...drift.map((text) => attention(`differs from what was applied: ${text}`)),
    ...overrides
      .filter(({ until }) => Date.parse(until) > now.getTime())
      .map(({ rule, by, until }) => attention(`check ${rule} overridden by ${by} until ${until}`)),
  ];
}

function attention(text: string): Problem {
  return { level: 'attention', text };
}

function runs({ receipt }: SiteStatus, wanted: SiteFilter['release']): boolean {
  if (wanted === undefined) return true;
  const { name, version } = wanted;
  return (receipt?.state.releases ?? []).some(
    (each) => each.name === name && (version === undefined || each.version === version),
  );
}

/** The level of the worst problem; undefined if there is none. */
export function worstOf(problems: readonly Problem[]): Level | undefined {
  if (problems.some(({ level }) => level === 'failing')) return 'failing';
  return problems.length > 0 ? 'attention' : undefined;
}

/** How many sites run each version of each release, by name and then newest sequence first. */
export interface ReleaseCount {
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  readonly bundle: string;
  readonly sites: number;
  /** Sites at which everything ran as it should when the receipt was written. */
  readonly healthy: number;
}

export function releaseCounts({ sites }: FleetStatus): ReleaseCount[] {
  const counts = new Map<string, ReleaseCount>();
  for (const { receipt } of sites)
    for (const { name, version, seq, bundle } of receipt?.state.releases ?? []) {
      const before = counts.get(`${name} ${bundle}`);
      const healthy = receipt?.state.failing.length === 0 ? 1 : 0;
      counts.set(`${name} ${bundle}`, {
        ...{ name, version, seq, bundle },
        sites: (before?.sites ?? 0) + 1,
        healthy: (before?.healthy ?? 0) + healthy,
      });
    }
  return [...counts.values()].toSorted(
    (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) || b.seq - a.seq,
  );
}

/** Where a recall stands, by the newest receipt of each site that ever ran a recalled version. */
export interface RecallProgress {
  readonly recall: FleetRecall;
  /** Sites that run a recalled version. */
  readonly running: readonly string[];
  /** Sites that hold a recalled version and do not run it. */
  readonly holding: readonly string[];
  /** Sites whose receipt is older than the recall, so that nothing is known since. */
  readonly silent: readonly string[];
  /** Sites whose receipt is newer than the recall and shows none of the versions. */
  readonly confirmed: readonly string[];
}

/** Who runs what a recall names, who confirmed, and of whom nothing is known since. */
export function recallProgress(recall: FleetRecall, { sites }: FleetStatus): RecallProgress {
  const running: string[] = [];
  const holding: string[] = [];
  const silent: string[] = [];
  const confirmed: string[] = [];
  const recalls = [recall];
  const isRecalled = (each: { readonly name: string; readonly version: string }): boolean =>
    recallsOf(each, { recalls }).length > 0;
  for (const { site, receipt } of sites) {
    if (site.retired === true) continue;
    const runs = (receipt?.state.releases ?? []).some(isRecalled);
    if (!runs && (receipt?.state.holds ?? []).some(isRecalled)) holding.push(site.name);
    if (runs) running.push(site.name);
    else if (receipt === undefined || receipt.at < recall.at) silent.push(site.name);
    else confirmed.push(site.name);
  }
  return { recall, running, holding, silent, confirmed };
}
