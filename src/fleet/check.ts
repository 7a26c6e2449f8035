import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Context } from '../core/context.ts';
import { messageOf, StowageError } from '../core/error.ts';
import { ioError } from '../io/file.ts';
import type { FleetFolder } from './fleet-folder.ts';
import { type Database, recordedFile } from './index/database.ts';
import { withIndex } from './index/fleet-index.ts';
import { type RecordedFile, readRecorded } from './recorded-file.ts';

/** A document of a fleet that does not hold. */
export interface FleetDefect {
  /** Relative to the folder of the fleet. */
  readonly path: string;
  readonly text: string;
}

export interface FleetCheck {
  readonly entries: number;
  readonly documents: number;
  readonly defects: readonly FleetDefect[];
  /** Documents that are as they were recorded, and lack signatures: they are not in force. */
  readonly pending: readonly FleetDefect[];
}

/** The folders whose files must be recorded. */
const PLACES = [
  'trust',
  'sites',
  'handovers',
  'releases',
  'promotions',
  'recalls',
  'advisories',
  'dispatches',
  'receipts',
  'ledger',
];

/**
 * Reads every document of a fleet again, verifies it, and builds the index anew.
 * @throws StowageError `fleet-damaged` for a ledger that is not as it was written
 */
export async function checkFleet(folder: FleetFolder, context: Context): Promise<FleetCheck> {
  // A fleet whose settings cannot be read must not look sound.
  await folder.settings();
  return withIndex(folder, { ...context, rebuild: true }, async ({ database }) => {
    const found = database.all<FleetDefect & { readonly code: string }>(
      'SELECT path, code, text FROM defect ORDER BY path',
    );
    const known = new Set(found.map(({ path }) => path));
    const listed = (pending: boolean): FleetDefect[] =>
      found
        .filter(({ code }) => (code === 'threshold-unmet') === pending)
        .map(({ path, text }) => ({ path, text }));
    const defects = listed(false);
    for (const each of recordedDocuments(database)) {
      // The index has read these already.
      if (isOfSite(each.path) || known.has(each.path)) continue;
      const text = defectOf(each, folder);
      if (text !== undefined) defects.push({ path: each.path, text });
    }
    for (const place of PLACES)
      for await (const path of filesIn(folder, place))
        if (!isExpected(path, database))
          defects.push({ path, text: 'no command recorded this file' });
    const recorded = database.first<{ count: number }>('SELECT count(*) AS count FROM file');
    const entries = database.first<{ count: number }>('SELECT count(*) AS count FROM entry');
    return {
      entries: entries?.count ?? 0,
      documents: recorded?.count ?? 0,
      defects: defects.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
      pending: listed(true),
    };
  });
}

function defectOf(recorded: RecordedFile, folder: FleetFolder): string | undefined {
  try {
    readRecorded(recorded, folder.root);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function isOfSite(path: string): boolean {
  return path.startsWith('receipts/') || path.startsWith('handovers/');
}

/** All recorded documents. */
function recordedDocuments(database: Database): Generator<RecordedFile> {
  return database.byPath('SELECT path, sha512 FROM file WHERE path > ? ORDER BY path LIMIT ?', '');
}

/** Whether a file is recorded, or is the signature of a document of a site, or an entry of the ledger. */
function isExpected(path: string, database: Database): boolean {
  const entry = /^ledger\/([0-9a-f]+)\.json$/.exec(path)?.[1];
  if (entry !== undefined)
    return database.first('SELECT 1 FROM entry WHERE digest = ?', entry) !== undefined;
  if (recordedFile(database, path) !== undefined) return true;
  if (!isOfSite(path) || !path.endsWith('.p7s')) return false;
  return recordedFile(database, path.replace(/\.p7s$/, '.json')) !== undefined;
}

/** The files in a folder of a fleet and in those inside it, relative to the fleet. Each folder is listed by itself. */
async function* filesIn(folder: FleetFolder, place: string): AsyncGenerator<string> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder.path(place), { withFileTypes: true });
  } catch (error) {
    const failure = ioError(error, folder.path(place));
    if (failure instanceof StowageError && failure.code === 'file-missing') return;
    throw failure;
  }
  for (const each of entries) {
    const path = `${place}/${each.name}`;
    if (each.isDirectory()) yield* filesIn(folder, path);
    else yield path;
  }
}
