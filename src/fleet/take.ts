import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { signatureOf } from '../bundle/signed-document.ts';
import { sriHex, sriOf } from '../core/digest.ts';
import { type ErrorCode, StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { ioError, namesIn } from '../io/file.ts';
import { type ChangeOptions, type ChangingFleet, changeFleet } from './change.ts';
import type { FleetFolder } from './fleet-folder.ts';
import type { Alarm } from './history.ts';
import { requireKey } from './index/apply-document.ts';
import { recordedFile } from './index/database.ts';
import { readDocuments } from './reading/read-documents.ts';
import { type ReadingResult, resultOf } from './reading/reading-task.ts';
import type { NewFile } from './record.ts';
import type { VerifiedDocument } from './verified-document.ts';

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
  // Before anything is recorded.
  for (const path of paths) await statusAt(path);
  return changeFleet(folder, options, async (fleet) => {
    const before = new Set(alarmsOfFleet(fleet).map(keyOf));
    const files: TakenFile[] = [];
    // Handovers come first in each batch, for the receipts that the new keys sign.
    const waiting: Batch = new Map();
    const later: string[] = [];
    await takeAll(documentsAt(paths), { fleet, waiting, files, later }, options.signal);
    // Those whose key may have come with a handover that was given after them.
    await takeAll(later, { fleet, waiting, files }, options.signal);
    return { files, alarms: alarmsOfFleet(fleet).filter((each) => !before.has(keyOf(each))) };
  });
}

/** A document that was verified and is not recorded yet. */
interface Waiting {
  readonly document: VerifiedDocument;
  readonly bytes: Buffer;
  readonly signature: Buffer;
}

/** By their paths in the fleet. */
type Batch = Map<string, Waiting>;

interface Taking {
  readonly fleet: ChangingFleet;
  readonly waiting: Batch;
  readonly files: TakenFile[];
  /** Where to put a file whose key is unknown so far; absent when it is refused. */
  readonly later?: string[];
}

async function takeAll(
  found: Iterable<string> | AsyncIterable<string>,
  taking: Taking,
  signal: AbortSignal,
): Promise<void> {
  const { fleet, waiting } = taking;
  for await (const [file, read] of readDocuments(found, (each) => ({ file: each }), signal)) {
    await takeOne(file, read, taking);
    if (waiting.size >= BATCH) await flush(fleet, waiting);
  }
  await flush(fleet, waiting);
}

async function takeOne(file: string, read: ReadingResult, taking: Taking): Promise<void> {
  const { fleet, waiting, files, later } = taking;
  try {
    const { document, bytes, signature } = givenOf(read);
    const { site, kind } = document;
    const path = pathOf(document, bytes);
    if (waiting.has(path) || isRecorded(fleet, path)) {
      files.push({ file, outcome: 'known', site });
      return;
    }
    requireKey(fleet.database, site, document.key);
    waiting.set(path, { document, bytes, signature });
    // Later documents may be signed with the key that it introduces.
    if (kind === 'handover') await flush(fleet, waiting);
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

/** @throws StowageError why it is refused */
function givenOf(read: ReadingResult): Waiting {
  const { document, bytes, signature } = resultOf(read);
  if (bytes === undefined || signature === undefined) throw new Error('no bytes were read');
  return { document, bytes: bufferOf(bytes), signature: bufferOf(signature) };
}

/** A buffer that came from another thread is a plain array of bytes. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

async function flush(fleet: ChangingFleet, waiting: Batch): Promise<void> {
  if (waiting.size === 0) return;
  const batch = [...waiting];
  const sites = new Set(batch.map(([, { document }]) => document.site));
  const [only = ''] = sites;
  waiting.clear();
  await fleet.add({
    action: 'take',
    subject: `${counted(batch.length, 'document')} of ${sites.size === 1 ? only : counted(sites.size, 'site')}`,
    files: batch.flatMap(([path, { bytes, signature }]): NewFile[] => [
      { path, bytes, recorded: true },
      { path: signatureOf(path), bytes: signature },
    ]),
    verified: new Map(batch.map(([path, { document }]) => [path, document])),
  });
}

/** Where a document of a site is in the fleet: its name tells when it was written, and is another for any other content. */
function pathOf({ kind, site, at }: VerifiedDocument, bytes: Buffer): string {
  const digest = sriHex(sriOf(bytes)).slice(0, 32);
  return `${kind}s/${site}/${at.replaceAll(':', '')}-${digest}.json`;
}

function isRecorded({ database }: ChangingFleet, path: string): boolean {
  return recordedFile(database, path) !== undefined;
}

function alarmsOfFleet({ database }: ChangingFleet): SiteAlarm[] {
  return database.all<SiteAlarm>(
    'SELECT site, kind, text, first, second FROM alarm ORDER BY site, kind, first',
  );
}

function keyOf({ site, kind, first, second }: SiteAlarm): string {
  return [site, kind, first, second].join('\n');
}

function statusAt(path: string): Promise<Stats> {
  return stat(path).catch((error: unknown) => {
    throw ioError(error, path);
  });
}

/** The documents at paths: a file as it is named, or each `.json` of a folder that has a `.p7s` beside it. */
async function* documentsAt(paths: readonly string[], depth = 0): AsyncGenerator<string> {
  for (const path of paths) {
    if (!(await statusAt(path)).isDirectory()) yield path;
    else if (depth <= MAX_DEPTH) yield* documentsIn(path, depth);
  }
}

async function* documentsIn(folder: string, depth: number): AsyncGenerator<string> {
  const names = await namesIn(folder);
  const present = new Set(names);
  for (const name of names) {
    if (present.has(signatureOf(name)) && name.endsWith('.json')) yield join(folder, name);
    else if (!name.includes('.')) yield* documentsAt([join(folder, name)], depth + 1);
  }
}
