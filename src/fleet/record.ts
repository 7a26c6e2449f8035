import { lstatSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { canonicalBytes, type Json } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import { writeCanonical } from '../format/document.ts';
import { momentOf } from '../format/field.ts';
import { type FleetEntry, fleetEntryKind } from '../format/fleet.ts';
import type { LedgerUser } from '../format/ledger.ts';
import {
  exists,
  ioError,
  outputError,
  readIfThere,
  remove,
  removeTemporaries,
  syncFolder,
  writeAtomic,
} from '../io/file.ts';
import { syncFiles } from '../io/folder.ts';
import { damagedFleet, type FleetFolder, OWN_FOLDER } from './fleet-folder.ts';

const MAX_PENDING_BYTES: number = 16 * MIB;

/** A document that a command adds to a fleet. */
export interface NewFile {
  /** Relative to the folder of the fleet; nothing may be there. */
  readonly path: string;
  readonly bytes: Buffer;
  /** Absent for a file that speaks for itself: the signature of a receipt, or a file for people to edit. */
  readonly recorded?: true;
}

/** What a command did, for the ledger. */
export interface Deed extends Pick<FleetEntry, 'action' | 'subject'> {
  readonly files: readonly NewFile[];
  readonly by: LedgerUser;
  readonly now: Date;
  /** The entries that no other entry follows yet. */
  readonly heads: readonly string[];
}

/**
 * Adds documents to a fleet, and the entry that records them, under the lock. The entry is written last: documents without one are
 * what a killed command left, and {@link clearUnfinished} removes them.
 * @returns the digest of the entry
 * @throws StowageError `output-exists`, `io-failed`
 */
export async function record(folder: FleetFolder, deed: Deed): Promise<string> {
  const { action, subject, by, now, heads, files } = deed;
  const line = writeCanonical(fleetEntryKind, {
    schema: 'stowage/fleet-entry/v1',
    at: momentOf(now),
    previous: heads.toSorted(),
    by,
    action,
    subject,
    files: files
      .filter((each) => each.recorded === true)
      .map(({ path, bytes }) => ({ path, sha512: sriHex(sriOf(bytes)) })),
  });
  const digest = sriHex(sriOf(line));
  for (const { path } of files) if (isThere(folder.path(path))) throw taken(path);
  await writePending(folder, { entry: digest, files: files.map(({ path }) => path) });
  try {
    await writeAll(folder, files);
    await mkdir(folder.path('ledger'), { recursive: true });
    await writeAtomic(folder.path(entryPath(digest)), line);
  } catch (error) {
    await clearUnfinished(folder);
    throw error;
  }
  await remove(pendingPath(folder));
  return digest;
}

/** Where an entry is in the folder of a fleet. */
export function entryPath(digest: string): string {
  return `ledger/${digest}.json`;
}

/** Without a promise: a batch has thousands of files. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw ioError(error, path);
  }
}

async function writeAll(folder: FleetFolder, files: readonly NewFile[]): Promise<void> {
  const folders = new Set(files.map(({ path }) => dirname(folder.path(path))));
  for (const each of folders) await mkdir(each, { recursive: true });
  for (const { path, bytes } of files) {
    const place = folder.path(path);
    try {
      writeFileSync(place, bytes, { flag: 'wx', mode: 0o644 });
    } catch (error) {
      throw systemCode(error) === 'EEXIST' ? taken(path) : outputError(error, place);
    }
  }
  await syncFiles(
    folder.root,
    files.map(({ path }) => folder.path(path)),
  );
  for (const each of folders) await syncFolder(each);
}

interface Pending {
  readonly entry: string;
  readonly files: readonly string[];
}

async function writePending(folder: FleetFolder, pending: Pending): Promise<void> {
  await mkdir(folder.path(OWN_FOLDER), { recursive: true });
  await writeAtomic(pendingPath(folder), canonicalBytes(pending as unknown as Json));
}

/** Removes the documents that a killed command wrote before their entry. Under the lock. */
export async function clearUnfinished(folder: FleetFolder): Promise<void> {
  for (const each of ['ledger', OWN_FOLDER]) await removeTemporaries(folder.path(each));
  const bytes = await readIfThere(pendingPath(folder), MAX_PENDING_BYTES);
  if (bytes === undefined) return;
  const { entry, files } = pendingIn(bytes);
  if (!(await exists(folder.path(entryPath(entry)))))
    for (const path of files) await remove(folder.path(path));
  await remove(pendingPath(folder));
}

/** The file is this machine's own, and written whole. */
function pendingIn(bytes: Buffer): Pending {
  const value: unknown = JSON.parse(bytes.toString('utf8'));
  if (typeof value === 'object' && value !== null && 'entry' in value && 'files' in value) {
    const { entry, files } = value;
    if (typeof entry === 'string' && Array.isArray(files) && files.every(isInside))
      return { entry, files };
  }
  throw damagedFleet(`${OWN_FOLDER}/pending.json was not written by stowage`, {
    expected: 'what a command is about to record',
    found: 'something else',
  });
}

function isInside(path: unknown): path is string {
  return typeof path === 'string' && !path.startsWith('/') && !path.split('/').includes('..');
}

function pendingPath(folder: FleetFolder): string {
  return folder.path(OWN_FOLDER, 'pending.json');
}

function taken(path: string): StowageError {
  return new StowageError('output-exists', `${path} exists already in this fleet`, {
    expected: 'a path where nothing exists',
    found: 'a file',
    hint: 'run stowage fleet check: it names files that no command recorded',
  });
}
