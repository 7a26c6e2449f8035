import type { Context } from '../../core/context.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { interrupted, StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import { readCanonical } from '../../format/document.ts';
import { type FleetEntry, fleetEntryKind, fleetSiteKind } from '../../format/fleet.ts';
import { namesIn, readBounded } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { damagedFleet, type FleetFolder, OWN_FOLDER } from '../fleet-folder.ts';
import { alarmsOf, type HistoryPoint, newestOf, type OldKey } from '../history.ts';
import { readDocuments } from '../reading/read-documents.ts';
import type { ReadingTask } from '../reading/reading-task.ts';
import { entryPath } from '../record.ts';
import { certificateIn } from '../site-document.ts';
import type { VerifiedDocument } from '../verified-document.ts';
import { applyDocument, applyingOrder, applyRead, isApplied } from './apply-document.ts';
import type { Applying, Recorded } from './applying.ts';
import { Database } from './database.ts';

/** A receipt in the index. */
export interface IndexedPoint extends HistoryPoint {
  readonly id: number;
}

interface Row {
  readonly id: number;
  readonly path: string;
  readonly at: string;
  readonly entries: number;
  readonly head: string;
  readonly generation: number;
  readonly highest: number;
  readonly outcome: string;
  readonly key: string;
  readonly taken_at: string;
  readonly taken_by: string;
}

/** The receipts of a site, by their time. */
export function historyOf(database: Database, site: string): IndexedPoint[] {
  return database
    .all<Row>(
      'SELECT id, path, at, entries, head, generation, highest, outcome, key, taken_at, taken_by FROM receipt WHERE site = ? ORDER BY at, entries, path',
      site,
    )
    .map(({ taken_at, taken_by, outcome, ...rest }) => ({
      ...rest,
      undone: outcome === 'rolled-back',
      takenAt: taken_at,
      takenBy: `ledger/${taken_by}.json`,
    }));
}

/** The keys that a site gave up: by handing them over, or because a person confirmed another. */
export function oldKeysOf(database: Database, site: string): OldKey[] {
  const handed = database.all<OldKey>(
    'SELECT fingerprint, until, path FROM old_key WHERE site = ? ORDER BY until, path',
    site,
  );
  const documents = database
    .all<{ path: string; document: string }>(
      'SELECT path, document FROM site_document WHERE site = ? ORDER BY number',
      site,
    )
    .map(({ path, document }) => ({
      path,
      ...readCanonical(fleetSiteKind, Buffer.from(document)),
    }));
  const replaced = documents.flatMap(({ certificate }, index): OldKey[] => {
    const next = documents[index + 1];
    if (next === undefined || next.certificate === certificate) return [];
    const { fingerprint } = certificateIn(certificate);
    return [{ fingerprint, until: next.at, path: next.path }];
  });
  return [...handed, ...replaced];
}

const ENTRY = /^([0-9a-f]{128})\.json$/;

/** A fleet with its index, which is as new as its ledger. */
export interface IndexedFleet {
  readonly folder: FleetFolder;
  readonly database: Database;
}

export interface IndexOptions extends Context {
  /** Documents that this command verified a moment ago, by path. */
  readonly verified?: ReadonlyMap<string, VerifiedDocument>;
  /** Read every document again, whatever the index has. */
  readonly rebuild?: boolean;
}

/**
 * Runs `work` with the index of a fleet, brought up to date with its ledger first.
 * @throws StowageError `fleet-damaged` for a ledger that is not as it was written
 */
export async function withIndex<T>(
  folder: FleetFolder,
  options: IndexOptions,
  work: (fleet: IndexedFleet) => Promise<T>,
): Promise<T> {
  await makeFolder(folder.path(OWN_FOLDER));
  const database = new Database(folder.path(OWN_FOLDER, 'index.sqlite'));
  try {
    const fleet = { folder, database };
    await bringUpToDate(fleet, options);
    return await work(fleet);
  } finally {
    database.close();
  }
}

/** Applies the entries of the ledger that the index does not have yet; builds it anew if it has one that the ledger lacks. */
export async function bringUpToDate(fleet: IndexedFleet, options: IndexOptions): Promise<void> {
  const { folder, database } = fleet;
  if (options.rebuild !== true && database.isCurrent) {
    const { added, isAhead } = changesOf(database, await entriesIn(folder));
    if (added.length === 0 && !isAhead) return;
  }
  await database.change(async () => {
    // Listed again: another command may have waited for this one, or this one for it.
    const present = await entriesIn(folder);
    if (options.rebuild === true || !database.isCurrent) database.reset();
    if (changesOf(database, present).isAhead) database.reset();
    await applyEntries(present, fleet, options);
  });
}

/** The entries that no other follows. */
export function headsOf(database: Database): string[] {
  return database
    .all<{ digest: string }>(
      'SELECT digest FROM entry WHERE digest NOT IN (SELECT digest FROM parent) ORDER BY digest',
    )
    .map(({ digest }) => digest);
}

async function entriesIn(folder: FleetFolder): Promise<ReadonlySet<string>> {
  const names = await namesIn(folder.path('ledger'));
  return new Set(names.flatMap((name) => ENTRY.exec(name)?.[1] ?? []));
}

/** What the ledger has that the index lacks, and whether the index has what the ledger lacks. */
function changesOf(
  database: Database,
  present: ReadonlySet<string>,
): { added: string[]; isAhead: boolean } {
  const rows = database.all<{ digest: string }>('SELECT digest FROM entry');
  const known = new Set(rows.map(({ digest }) => digest));
  return {
    added: [...present].filter((digest) => !known.has(digest)).toSorted(),
    isAhead: rows.some(({ digest }) => !present.has(digest)),
  };
}

async function applyEntries(
  present: ReadonlySet<string>,
  fleet: IndexedFleet,
  options: IndexOptions,
): Promise<void> {
  const { folder, database } = fleet;
  const { emit, signal, now, verified = new Map() } = options;
  const { added } = changesOf(database, present);
  // One entry at a time: those of a large fleet name a million documents.
  for (const digest of added) {
    const entry = await readEntry(digest, present, folder);
    // Other trust may judge otherwise what the index has.
    if (added.length < present.size && entry.action === 'trust') {
      database.reset();
      return applyEntries(present, fleet, options);
    }
    insertEntry(digest, entry, database);
  }
  // What did not hold may hold now: its site, or a signature, may have come.
  database.run('INSERT OR IGNORE INTO todo SELECT path FROM defect');
  database.run('DELETE FROM defect');
  const applying: Applying = {
    ...{ folder, database, verified, trust: await folder.trust(now()) },
    now: now(),
    touched: new Set<string>(),
  };
  const { count } = database.first<{ count: number }>('SELECT count(*) AS count FROM todo') ?? {
    count: 0,
  };
  if (count >= MANY) emit({ type: 'step', step: 'index', subject: counted(count, 'document') });
  for (const folderName of applyingOrder.filter((each) => each !== 'receipts'))
    for (const recorded of documentsToApply(database, folderName)) {
      if (signal.aborted) throw interrupted(signal);
      await applyDocument(recorded, applying);
    }
  await applyReceipts(applying, signal);
  database.run('DELETE FROM todo');
  for (const site of applying.touched) renewSite(database, site);
}

const MANY = 1000;

/** Applies those that were verified already, and then the others, which threads read and verify if they are many. */
async function applyReceipts(applying: Applying, signal: AbortSignal): Promise<void> {
  const { database, folder, verified } = applying;
  const unread: () => AsyncGenerator<Recorded> = async function* () {
    for (const recorded of documentsToApply(database, 'receipts')) {
      if (!verified.has(recorded.path)) yield recorded;
      else await applyDocument(recorded, applying);
    }
  };
  const taskOf = (recorded: Recorded): ReadingTask => ({ root: folder.root, recorded });
  for await (const [recorded, read] of readDocuments(unread(), taskOf, signal))
    await applyRead(recorded, read, applying);
}

async function readEntry(
  digest: string,
  present: ReadonlySet<string>,
  folder: FleetFolder,
): Promise<FleetEntry> {
  const path = entryPath(digest);
  const bytes = await readBounded(folder.path(path), fleetEntryKind.maxBytes);
  const found = sriHex(sriOf(bytes));
  if (found !== digest)
    throw damagedFleet(`${path} was edited or damaged`, {
      expected: `SHA-512 ${digest.slice(0, 16)}, as in its name`,
      found: found.slice(0, 16),
    });
  const entry = readCanonical(fleetEntryKind, bytes);
  const missing = entry.previous.find((each) => !present.has(each));
  if (missing === undefined) return entry;
  throw new StowageError('fleet-damaged', 'an entry of the ledger of this fleet is missing', {
    expected: entryPath(missing),
    found: `nothing, although ${path} follows it`,
    hint: fleetEntryKind.hint,
  });
}

function insertEntry(digest: string, entry: FleetEntry, database: Database): void {
  const { at, action, subject, by, previous, files } = entry;
  const sudo = by.sudoUser ?? null;
  database.put('entry', { digest, at, action, subject, uid: by.uid, sudo_user: sudo });
  for (const each of previous) database.put('parent', { digest: each });
  for (const { path, sha512 } of files) {
    database.put('file', { path, sha512, entry: digest });
    if (isApplied(path)) database.put('todo', { path });
  }
}

/** The documents of one folder that must be applied, by their paths. */
function documentsToApply(database: Database, folder: string): Generator<Recorded> {
  return database.byPath<Recorded>(
    'SELECT file.path, file.sha512, file.entry, entry.at FROM todo JOIN file ON file.path = todo.path JOIN entry ON entry.digest = file.entry WHERE todo.path > ? AND todo.path < ? ORDER BY todo.path LIMIT ?',
    `${folder}/`,
    `${folder}0`,
  );
}

/** What follows from all documents of a site together. */
function renewSite(database: Database, site: string): void {
  const points = historyOf(database, site);
  database.run('DELETE FROM alarm WHERE site = ?', site);
  for (const each of alarmsOf(points, oldKeysOf(database, site)))
    database.put('alarm', { site, ...each });
  const newest = newestOf(points);
  if (newest !== undefined) database.put('newest', { site, receipt: newest.id });
}
