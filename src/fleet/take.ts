import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { type ErrorCode, interrupted, StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { ioError, namesIn } from '../io/file.ts';
import { type ChangeOptions, type ChangingFleet, changeFleet } from './change.ts';
import type { FleetFolder } from './fleet-folder.ts';
import type { Alarm } from './history.ts';
import { requireKey } from './index/apply-document.ts';
import type { NewFile } from './record.ts';
import { readSiteDocument, type SiteDocument, signatureOf, siteOf } from './site-document.ts';

/** Documents that one entry of the ledger records. */
const BATCH = 2000;
/** How deep folders with receipts may be nested. */
const MAX_DEPTH = 8;

/** What became of a file that was given. */
export interface TakenFile {
  readonly file: string;
  readonly outcome: 'taken' | 'known' | 'refused';
  readonly site?: string;
  /** Why it was refused. */
  readonly code?: ErrorCode;
  readonly reason?: string;
}

export interface SiteAlarm extends Alarm {
  readonly site: string;
}

export interface TakeResult {
  readonly files: readonly TakenFile[];
  /** The alarms of the sites concerned that were not there before. */
  readonly alarms: readonly SiteAlarm[];
}

/**
 * Takes receipts and key handovers that came home, from files and folders. One that is refused does not keep the others out.
 * @throws StowageError `file-missing` for a path that does not exist, `fleet-locked`, `fleet-damaged`, `interrupted`
 */
export async function takeDocuments(
  folder: FleetFolder,
  paths: readonly string[],
  options: ChangeOptions,
): Promise<TakeResult> {
  const found: string[] = [];
  for (const path of paths) found.push(...(await documentsAt(path)));
  return changeFleet(folder, options, async (fleet) => {
    const before = new Set(alarmsOfFleet(fleet).map(keyOf));
    const files: TakenFile[] = [];
    // Handovers come first in each batch, for the receipts that the new keys sign.
    const waiting: Batch = new Map();
    const later: string[] = [];
    for (const file of found) {
      if (options.signal.aborted) throw interrupted(options.signal);
      await takeOne(file, { fleet, waiting, files, later });
      if (waiting.size >= BATCH) await flush(fleet, waiting);
    }
    await flush(fleet, waiting);
    // Those whose key may have come with a handover that was given after them.
    for (const file of later) await takeOne(file, { fleet, waiting, files });
    await flush(fleet, waiting);
    return { files, alarms: alarmsOfFleet(fleet).filter((each) => !before.has(keyOf(each))) };
  });
}

/** Documents that were verified and are not recorded yet, by their paths in the fleet. */
type Batch = Map<string, SiteDocument>;

interface Taking {
  readonly fleet: ChangingFleet;
  readonly waiting: Batch;
  readonly files: TakenFile[];
  /** Where to put a file whose key is unknown so far; absent when it is refused. */
  readonly later?: string[];
}

async function takeOne(file: string, { fleet, waiting, files, later }: Taking): Promise<void> {
  try {
    const document = await readSiteDocument(file);
    const site = siteOf(document);
    const path = pathOf(document);
    if (waiting.has(path) || isRecorded(fleet, path)) {
      files.push({ file, outcome: 'known', site });
      return;
    }
    requireKey(fleet.database, site, document.certificate.fingerprint);
    waiting.set(path, document);
    // Later documents may be signed with the key that it introduces.
    if (document.content.kind === 'handover') await flush(fleet, waiting);
    files.push({ file, outcome: 'taken', site });
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    if (error.code === 'signer-untrusted' && later !== undefined) {
      later.push(file);
      return;
    }
    const reason = [error.message, error.found].filter((each) => each).join(': ');
    files.push({ file, outcome: 'refused', code: error.code, reason });
  }
}

async function flush(fleet: ChangingFleet, waiting: Batch): Promise<void> {
  if (waiting.size === 0) return;
  const verified = new Map(waiting);
  const sites = new Set([...verified.values()].map(siteOf));
  const [only = ''] = sites;
  waiting.clear();
  await fleet.add({
    action: 'take',
    subject: `${counted(verified.size, 'document')} of ${sites.size === 1 ? only : counted(sites.size, 'site')}`,
    files: [...verified].flatMap(([path, { bytes, signature }]): NewFile[] => [
      { path, bytes, recorded: true },
      { path: signatureOf(path), bytes: signature },
    ]),
    verified,
  });
}

/** Where a document of a site is in the fleet: its name tells when it was written, and is another for any other content. */
function pathOf(document: SiteDocument): string {
  const { content, bytes } = document;
  const [place, at] =
    content.kind === 'receipt'
      ? ['receipts', content.receipt.at]
      : ['handovers', content.handover.at];
  const digest = sriHex(sriOf(bytes)).slice(0, 32);
  return `${place}/${siteOf(document)}/${at.replaceAll(':', '')}-${digest}.json`;
}

function isRecorded({ database }: ChangingFleet, path: string): boolean {
  return database.first('SELECT 1 FROM file WHERE path = ?', path) !== undefined;
}

function alarmsOfFleet({ database }: ChangingFleet): SiteAlarm[] {
  return database.all<SiteAlarm>(
    'SELECT site, kind, text, first, second FROM alarm ORDER BY site, kind, first',
  );
}

function keyOf({ site, kind, first, second }: SiteAlarm): string {
  return [site, kind, first, second].join('\n');
}

/** The documents at a path: a file as it is named, or each `.json` of a folder that has a `.p7s` beside it. */
async function documentsAt(path: string, depth = 0): Promise<string[]> {
  const status = await stat(path).catch((error: unknown) => {
    throw ioError(error, path);
  });
  if (!status.isDirectory()) return [path];
  if (depth > MAX_DEPTH) return [];
  const names = await namesIn(path);
  const present = new Set(names);
  const found: string[] = [];
  for (const name of names) {
    if (present.has(signatureOf(name)) && name.endsWith('.json')) found.push(join(path, name));
    else if (!name.includes('.')) found.push(...(await documentsAt(join(path, name), depth + 1)));
  }
  return found;
}
