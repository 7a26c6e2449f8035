// npm run scale:fleet [-- SITES [RECEIPTS [WAY]]]: a simulated fleet of so many sites with so many receipts each, 200 releases and planted
// faults. Prints the time, the processor time and the memory of each question, and fails if an alarm or a problem is missing or was not
// planted. 100 sites with 20 receipts by default. WAY is `take`; or `put`, with which the receipts are put where taking them would, so that
// only the index is built; or `unverified`, with which their signatures are not verified either, so that only the questions are measured.
// npm run scale:fleet -- order: 10,000 receipts in random order give the same index as in order.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChangeOptions } from '../src/fleet/change.ts';
import { checkFleet } from '../src/fleet/check.ts';
import { FleetFolder } from '../src/fleet/fleet-folder.ts';
import { withIndex } from '../src/fleet/index/fleet-index.ts';
import { nextForSites } from '../src/fleet/next.ts';
import { receiptsOf } from '../src/fleet/site-report.ts';
import { siteNamed } from '../src/fleet/sites.ts';
import { type FleetStatus, fleetStatus } from '../src/fleet/status.ts';
import { type SiteAlarm, takeDocuments } from '../src/fleet/take.ts';
import { seededRandom } from '../test/lab/random.ts';
import { defaultCacheDir } from '../test/lab/server-image.ts';
import { expectedAlarms, shuffled, siteNameOf } from '../test/lab/simulated-fleet.ts';
import {
  type Corpus,
  documentsOf,
  fleetCorpus,
  plantedIn,
  RECALLED,
} from './scale-fleet/corpus.ts';
import { recordHome } from './scale-fleet/record-home.ts';

const UNTIL = new Date('2026-11-21T10:00:00Z');
const cache = process.env['STOWAGE_SCALE_FOLDER'] ?? defaultCacheDir;
const program = fileURLToPath(import.meta.url);
const context: ChangeOptions = {
  signal: new AbortController().signal,
  emit: () => {},
  now: () => UNTIL,
  by: { uid: 1000 },
};

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  const memory = process.resourceUsage().maxRSS / 1024;
  console.log(
    `${what.padEnd(16)} ${seconds(performance.now() - start).padStart(10)}  ${seconds((user + system) / 1000).padStart(10)} of processor  up to ${memory.toFixed(0)} MiB`,
  );
  return result;
}

/** Asks in a process of its own, so that its memory is that of the question. */
function inProcess(question: string, corpus: Corpus, root: string): void {
  const args = [...process.execArgv, program, 'ask', question, JSON.stringify(corpus), root];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${question} failed`);
}

/** Every receipt comes home. */
async function take(corpus: Corpus, root: string): Promise<void> {
  const folder = new FleetFolder(root);
  const { alarms, files } = await timed('take', () =>
    takeDocuments(folder, [corpus.home], context),
  );
  const refused = files.filter(({ outcome }) => outcome === 'refused').length;
  const damaged = [...plantedIn(corpus)].filter(({ fault }) => fault === 'damaged').length;
  if (refused !== damaged) throw new Error(`${damaged} damaged documents, ${refused} refused`);
  console.log(`${files.length} documents, of which ${refused} damaged ones were refused`);
  requireAlarms(alarms, corpus);
}

/** Every planted fault raised an alarm, and nothing else did. */
function requireAlarms(alarms: readonly SiteAlarm[], corpus: Corpus): void {
  const bySite = Map.groupBy(alarms, ({ site }) => site);
  for (const { name, fault } of plantedIn(corpus)) {
    const expected = fault === undefined ? [] : expectedAlarms[fault];
    const found = (bySite.get(name) ?? []).map(({ kind }) => kind);
    if (found.some((kind) => !expected.includes(kind)) || expected.length > 0 !== found.length > 0)
      throw new Error(
        `${name}: planted ${fault ?? 'nothing'}, raised ${found.join(', ') || 'nothing'}`,
      );
  }
  console.log(`alarms: ${alarms.length} of ${bySite.size} sites, as planted`);
}

/** What was planted in sites without a fault is what their status says. */
function requirePlanted(status: FleetStatus, corpus: Corpus): void {
  const sites = new Map(status.sites.map((each) => [each.site.name, each]));
  for (const { name, fault, end } of plantedIn(corpus)) {
    if (fault !== undefined) continue;
    const problems = sites.get(name)?.problems.map(({ text }) => text) ?? [];
    const expected = [
      ...(RECALLED.includes(end.version ?? '') ? [/is recalled: leaks memory/] : []),
      ...(end.ill ? [/^chat server is stopped$/] : []),
      ...(end.rolledBack ? [/^the last change failed and was rolled back$/] : []),
    ];
    const isAsPlanted =
      problems.length === expected.length &&
      expected.every((each) => problems.some((text) => each.test(text)));
    if (!isAsPlanted)
      throw new Error(`${name}: planted ${JSON.stringify(end)}, and its problems are ${problems}`);
  }
}

async function ask(question: string, corpus: Corpus, root: string): Promise<void> {
  const folder = new FleetFolder(root);
  const settings = await folder.settings();
  const site = siteNameOf(3);
  const status = (filter = {}): Promise<FleetStatus> =>
    withIndex(folder, context, async ({ database }) =>
      fleetStatus(database, { settings, now: UNTIL, filter }),
    );
  const alarms = (): Promise<void> =>
    withIndex(folder, context, async ({ database }) =>
      requireAlarms(database.all<SiteAlarm>('SELECT * FROM alarm'), corpus),
    );
  const answers: Readonly<Record<string, () => Promise<unknown>>> = {
    check: async () => {
      const { defects } = await timed('check', () => checkFleet(folder, context));
      if (defects.length > 0) throw new Error(`defects: ${JSON.stringify(defects.slice(0, 3))}`);
      await alarms();
    },
    alarms,
    status: async () => requirePlanted(await timed('status', status), corpus),
    show: () =>
      timed('show', () =>
        withIndex(folder, context, async ({ database }) => [
          fleetStatus(database, { settings, now: UNTIL, filter: { site } }),
          receiptsOf(database, site, 20),
        ]),
      ),
    next: () =>
      timed('next', () =>
        withIndex(folder, context, async (fleet) =>
          nextForSites(fleet, [siteNamed(fleet.database, site)], UNTIL),
        ),
      ),
    'next, all sites': () =>
      timed('next, all sites', () =>
        withIndex(folder, context, async (fleet) =>
          nextForSites(
            fleet,
            (await status()).sites.map((each) => each.site),
            UNTIL,
          ),
        ),
      ),
    take: () => take(corpus, root),
  };
  await (answers[question]?.() ?? Promise.reject(new Error(question)));
}

/** A new folder, removed in the end. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'scale-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const QUESTIONS = ['status', 'show', 'next', 'next, all sites'];

/** How receipts get into the fleet: taken; or put where taking them would, and then verified or not. */
const ways = ['take', 'put', 'unverified'] as const;

async function measure(sites: number, receipts: number, way: string): Promise<void> {
  if (!ways.some((each) => each === way)) throw new Error(`expected one of ${ways.join(', ')}`);
  const corpus = await fleetCorpus(cache, { sites, receipts, options: context });
  await inFolder(async (folder) => {
    const root = join(folder, 'fleet');
    cpSync(corpus.fleet, root, { recursive: true });
    console.log(`${sites} sites with ${receipts} receipts each, 200 releases`);
    if (way === 'take') inProcess('take', corpus, root);
    else {
      const indexed = way === 'unverified';
      const count = await recordHome(corpus, new FleetFolder(root), { ...context, indexed });
      console.log(`${count} documents put into the fleet`);
    }
    inProcess(way === 'unverified' ? 'alarms' : 'check', corpus, root);
    for (const each of QUESTIONS) inProcess(each, corpus, root);
  });
}

/** 10,000 receipts in random order against the same in order. */
async function compareOrders(): Promise<void> {
  const corpus = await fleetCorpus(defaultCacheDir, {
    sites: 100,
    receipts: 100,
    options: context,
  });
  const files = [...plantedIn(corpus)].flatMap(({ name }) => [...documentsOf(corpus, name)]);
  const orders = { 'in order': files, 'at random': shuffled(files, seededRandom(18)) };
  await inFolder(async (root) => {
    const found = new Map<string, string>();
    for (const [name, order] of Object.entries(orders)) {
      const folder = new FleetFolder(join(root, name));
      cpSync(corpus.fleet, folder.root, { recursive: true });
      await timed(`take ${name}`, () => takeDocuments(folder, order, context));
      found.set(name, JSON.stringify(await contentsOf(folder)));
      const rebuilt = await withIndex(folder, { ...context, rebuild: true }, () =>
        contentsOf(folder),
      );
      if (JSON.stringify(rebuilt) !== found.get(name))
        throw new Error(`${name}: rebuilt otherwise`);
    }
    if (found.get('in order') !== found.get('at random')) throw new Error('the indexes differ');
    console.log(`${files.length} documents give the same index and alarms in both orders`);
  });
}

/** The index without row ids and entries of the ledger, which depend on the order. */
function contentsOf(folder: FleetFolder): Promise<object> {
  return withIndex(folder, context, async ({ database }) => ({
    receipts: database.all(
      'SELECT path, site, at, entries, head, generation, highest, intent, outcome, healthy, key, taken_at, state FROM receipt ORDER BY path',
    ),
    runs: database.all(
      'SELECT path, run.bundle FROM run JOIN receipt ON id = run.receipt ORDER BY path',
    ),
    keys: database.all('SELECT site, fingerprint FROM site_key ORDER BY site, fingerprint'),
    oldKeys: database.all('SELECT * FROM old_key ORDER BY site, path'),
    alarms: database.all(
      "SELECT site, kind, text, first, CASE kind WHEN 'future' THEN '' ELSE second END AS second FROM alarm ORDER BY 1, 2, 4, 5",
    ),
    newest: database.all(
      'SELECT newest.site, path FROM newest JOIN receipt ON id = receipt ORDER BY 1',
    ),
    defects: database.all('SELECT path, code FROM defect ORDER BY path'),
  }));
}

const [first = '100', second = '20', third = 'take', root = ''] = process.argv.slice(2);
if (first === 'ask') await ask(second, JSON.parse(third) as Corpus, root);
else if (first === 'order') await compareOrders();
else await measure(Number(first), Number(second), third);
