import { createHash, randomBytes } from 'node:crypto';
import { lstat, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KIB, MIB } from '../core/limits.ts';
import { ioError, makeFolder, readIfThere } from './file.ts';
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

/** The identity of a file. A write, a change of mode and a rename change its ctime. */
interface FileMark {
  readonly inode: string;
  /** Nanoseconds. */
  readonly changed: string;
}

/**
 * Records the sums of a stored blob: the SHA-256 of the record, then the record. It is not fsynced: a record that a
 * power failure damaged is ignored, and the sums are computed again.
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

/** Reads a record; undefined if there is none or it is damaged. */
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
