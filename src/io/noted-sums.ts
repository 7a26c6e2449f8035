import { createHash, randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KIB, MIB } from '../core/limits.ts';
import { effectiveUser, ioError, readIfThere, setMode, statusOf } from './file.ts';
import { makeFolder } from './folder.ts';
import type { BlobSums } from './hash-task.ts';

const MAX_NOTE_BYTES: number = 64 * MIB;

/** Smaller blobs have no record: computing their sums is faster than reading a record. */
export const NOTED_FROM_BYTES: number = 256 * KIB;

/** The recorded sums of a blob. */
export interface NotedSums {
  readonly sums: BlobSums;
  /** Whether the blob's file is the one that was hashed, unchanged since. */
  readonly untouched: boolean;
}

/** The identity of a file. A write, a change of mode, a rename, and a hard link that comes or goes change its ctime. */
export interface FileMark {
  readonly inode: string;
  /** Nanoseconds. */
  readonly changed: string;
}

/**
 * Records the sums of a stored blob.
 * @param mark of the blob's file, no later than when it was hashed: a change since then shows
 */
export async function writeNote(
  path: string,
  sums: BlobSums,
  { inode, changed }: FileMark,
): Promise<void> {
  await writeRecord(path, { ...sums, file: { inode, changed } });
}

/** Reads a record of sums; undefined if there is none or it is damaged. */
export async function readNote(path: string, blob: string): Promise<NotedSums | undefined> {
  const note = await readRecord(path);
  if (note === undefined) return undefined;
  const { file, ...sums } = note as BlobSums & { readonly file: FileMark };
  return { sums, untouched: sameMark(file, await markOf(blob)) };
}

/** Records what is known about the content of a stored blob. */
export async function writeFact(path: string, blob: string, fact: object): Promise<void> {
  await writeRecord(path, { fact, file: await markOf(blob) });
}

/** Reads such a record; undefined if there is none, it is damaged, or the blob's file changed since. */
export async function readFact(path: string, blob: string): Promise<object | undefined> {
  const note = await readRecord(path);
  if (note === undefined) return undefined;
  const { file, fact } = note as { readonly file: FileMark; readonly fact: object };
  return sameMark(file, await markOf(blob)) ? fact : undefined;
}

/**
 * Writes the SHA-256 of a record, then the record. It is not fsynced: a record that a power failure damaged is ignored,
 * and what it records is computed again.
 */
async function writeRecord(path: string, record: object): Promise<void> {
  const text = JSON.stringify(record);
  if (text.length > MAX_NOTE_BYTES) return;
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  await makeFolder(dirname(path));
  try {
    await writeUnsynced(temporary, `${sha256(text)}\n${text}`);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw ioError(error, path);
  }
}

async function writeUnsynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    await setMode(handle, 0o644);
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}

async function readRecord(path: string): Promise<unknown> {
  if (!(await isProtected(path))) return undefined;
  const note = (await readIfThere(path, MAX_NOTE_BYTES))?.toString('utf8');
  if (note === undefined) return undefined;
  const end = note.indexOf('\n');
  const text = note.slice(end + 1);
  return note.slice(0, end) === sha256(text) ? JSON.parse(text) : undefined;
}

/** Whether only root or this user can have written a record. */
async function isProtected(path: string): Promise<boolean> {
  const status = await statusOf(path);
  if (status === undefined || (status.mode & 0o022n) !== 0n) return false;
  return status.uid === 0n || Number(status.uid) === (await effectiveUser());
}

/** The mark of a file. @throws StowageError `file-missing`, `io-failed` */
export async function markOf(path: string): Promise<FileMark> {
  try {
    return markIn(await lstat(path, { bigint: true }));
  } catch (error) {
    throw ioError(error, path);
  }
}

/** The mark in the status of a file. */
export function markIn({ ino, ctimeNs }: Pick<BigIntStats, 'ino' | 'ctimeNs'>): FileMark {
  return { inode: String(ino), changed: String(ctimeNs) };
}

export function sameMark(a: FileMark, b: FileMark): boolean {
  return a.inode === b.inode && a.changed === b.changed;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
