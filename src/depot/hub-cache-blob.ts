import { createHash } from 'node:crypto';
import { type FileHandle, link, open, rename } from 'node:fs/promises';
import { digestFromHex } from '../core/digest.ts';
import { interrupted, StowageError, systemCode } from '../core/error.ts';
import { READ_BUFFER_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { ioError, makeReadOnly, remove, statusOf } from '../io/file.ts';
import type { HubFile } from './hub-file.ts';

/** Why a hard link is impossible: another file system, one without links, another user's file, too many links. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Whether a blob exists already. @throws StowageError `output-exists` if the path holds something else */
export async function isPlaced(path: string, size: number): Promise<boolean> {
  const found = await statusOf(path);
  if (found === undefined) return false;
  if (found.isFile() && Number(found.size) === size) return true;
  throw inTheWay(path, `a file of ${counted(size, 'byte')}`);
}

/** Opens a blob of the store. @throws StowageError `blob-damaged` if there is none */
export async function openBlob(blob: string): Promise<FileHandle> {
  try {
    return await open(blob, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw damaged(blob, 'a file', 'nothing');
    throw ioError(error, blob);
  }
}

/** Links to a blob of the store; false where hard links are impossible. @throws StowageError `blob-damaged` */
export async function linkBlob(blob: string, { size }: HubFile, path: string): Promise<boolean> {
  await requireSize(blob, size);
  try {
    await link(blob, path);
    return true;
  } catch (error) {
    if (NO_LINK.has(systemCode(error) ?? '')) return false;
    throw ioError(error, path);
  }
}

/** Copies a blob and verifies its hash. @throws StowageError `blob-damaged`, `space-insufficient`, `interrupted` */
export async function copyBlob(
  blob: string,
  { size, digest }: HubFile,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await requireSize(blob, size);
  const temporary = `${path}.stowage.partial`;
  await remove(temporary);
  try {
    const found = await copyHashed(blob, temporary, signal);
    if (found !== digest) throw damaged(blob, digest, found);
    await makeReadOnly(temporary);
    await rename(temporary, path);
  } catch (error) {
    await remove(temporary);
    throw ioError(error, path);
  }
}

async function copyHashed(from: string, to: string, signal: AbortSignal): Promise<string> {
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx');
    try {
      const hash = createHash('sha256');
      const buffer = Buffer.alloc(READ_BUFFER_BYTES);
      for (;;) {
        if (signal.aborted) throw interrupted(signal);
        const { bytesRead } = await source.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) break;
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        await target.writeFile(piece);
      }
      await target.sync();
      return digestFromHex(hash.digest('hex'));
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** The error for a file of another program at a path that the export needs. */
export function inTheWay(path: string, expected: string): StowageError {
  return new StowageError('output-exists', `${path} already exists with other content`, {
    expected,
    found: 'other content, which was not changed',
    hint: 'remove it if it is not needed, or export to another folder',
  });
}

async function requireSize(blob: string, size: number): Promise<void> {
  const found = await statusOf(blob);
  if (found?.isFile() === true && Number(found.size) === size) return;
  const what = found === undefined ? 'nothing' : counted(found.size, 'byte');
  throw damaged(blob, `a file of ${counted(size, 'byte')}`, what);
}

function damaged(blob: string, expected: string, found: string): StowageError {
  return new StowageError('blob-damaged', `the stored blob ${blob} is damaged`, {
    expected,
    found,
    hint: 'run stowage store verify --repair MEDIUM with the media of its release, or import it again',
  });
}
