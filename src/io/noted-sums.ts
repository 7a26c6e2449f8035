import { createHash, randomBytes } from 'node:crypto';
import { lstat, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KIB, MIB } from '../core/limits.ts';
import { ioError, makeFolder, readIfThere } from './file.ts';
import type { BlobSums } from './hash-task.ts';

const MAX_NOTE_BYTES: number = 64 * MIB;

/** Of a blob of at most so many bytes nothing is noted: its sums are computed sooner than a note is read. */
export const NOTED_FROM_BYTES: number = 256 * KIB;

/** What was noted of a blob. */
export interface NotedSums {
  readonly sums: BlobSums;
  /** Whether the blob's file is the one that was hashed, and nobody wrote to it since. */
  readonly untouched: boolean;
}

/** A file as the system knows it. A write, a change of mode and a rename give it another time of change. */
interface FileMark {
  readonly inode: string;
  /** Nanoseconds. */
  readonly changed: string;
}

/**
 * Notes the sums of a blob that has its name: its SHA-256 over the note, then the note. It is not fsynced: one that a
 * power cut damages is none, and the sums are computed again.
 */
export async function writeNote(path: string, blob: string, sums: BlobSums): Promise<void> {
  const text = JSON.stringify({ ...sums, file: await markOf(blob) });
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  await makeFolder(dirname(path));
  try {
    await writeFile(temporary, `${sha256(text)}\n${text}`, { flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw ioError(error, path);
  }
}

/** Reads it; undefined where there is none, or one that is not as it was written. */
export async function readNote(path: string, blob: string): Promise<NotedSums | undefined> {
  const note = (await readIfThere(path, MAX_NOTE_BYTES))?.toString('utf8');
  if (note === undefined) return undefined;
  const end = note.indexOf('\n');
  const text = note.slice(end + 1);
  if (note.slice(0, end) !== sha256(text)) return undefined;
  const { file, ...sums } = JSON.parse(text) as BlobSums & { readonly file: FileMark };
  const { inode, changed } = await markOf(blob);
  return { sums, untouched: file.inode === inode && file.changed === changed };
}

async function markOf(path: string): Promise<FileMark> {
  try {
    const { ino, ctimeNs } = await lstat(path, { bigint: true });
    return { inode: String(ino), changed: String(ctimeNs) };
  } catch (error) {
    throw ioError(error, path);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
