import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, chmod, lstat, mkdir, open, readdir, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { StowageError, systemCode } from '../core/error.ts';
import { exactBytes } from '../core/text.ts';
import { ioError, notFolder, outputError, whereSupported } from './file.ts';
import { forEachBounded } from './queue.ts';

/**
 * Makes a folder and those above it that are missing, each with this mode, whatever the umask is. Where nothing can be made,
 * as in `/proc`, Node's own recursive `mkdir` tries for ever.
 * @returns the uppermost folder that was made; undefined if the folder exists
 * @throws StowageError `io-failed`; `file-missing` for a path through a file
 */
export async function makeFolder(path: string, mode = 0o755): Promise<string | undefined> {
  try {
    const missing = await missingFolders(path);
    for (const each of missing) {
      try {
        await mkdir(each, { mode });
        await whereSupported(chmod(each, mode));
      } catch (error) {
        // Another process can have made it meanwhile.
        if (systemCode(error) === 'ENOENT') throw impossible(dirname(each));
        if (systemCode(error) !== 'EEXIST' || !(await stat(each)).isDirectory()) throw error;
      }
    }
    return missing[0];
  } catch (error) {
    throw ioError(error, path);
  }
}

function impossible(path: string): StowageError {
  return new StowageError('io-failed', `no folder can be made at ${path}`, {
    expected: 'a folder, or a path where one can be made',
    found: 'a file system where nothing can be made',
    hint: 'choose another path, such as one below your home folder',
  });
}

/** The folders to make before `path` exists, downwards. */
async function missingFolders(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let each = resolve(path); ; each = dirname(each)) {
    try {
      if ((await stat(each)).isDirectory()) return missing;
      throw notFolder(each, undefined);
    } catch (error) {
      // A path through a file is `ENOTDIR` until that file is reached.
      if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '') || each === dirname(each))
        throw error;
      missing.unshift(each);
    }
  }
}

/**
 * Makes the folders above a path that is going to be written. If `work` fails, those that were made are removed again, as far
 * as they are empty.
 * @throws StowageError as {@link makeFolder}
 */
export async function withParents<T>(path: string, work: () => Promise<T>): Promise<T> {
  const parent = dirname(resolve(path));
  const made = await makeFolder(parent);
  try {
    return await work();
  } catch (error) {
    if (made !== undefined) await removeEmpty(parent, made);
    throw error;
  }
}

/**
 * Checks before long work, or work that cannot be repeated, that a file can be created at a path.
 * @throws StowageError `file-missing` if its folder is missing, `io-failed` if that cannot be written
 */
export async function requireParent(path: string): Promise<void> {
  try {
    // The dot refuses a file in place of the folder.
    await access(`${dirname(path)}/.`, constants.W_OK);
  } catch (error) {
    throw outputError(error, path);
  }
}

/** Makes a folder that must not exist, with this mode, whatever the umask is. */
export async function makeNewFolder(path: string, mode = 0o755): Promise<void> {
  try {
    await mkdir(path, { mode });
    await whereSupported(chmod(path, mode));
  } catch (error) {
    throw ioError(error, path);
  }
}

/** Removes `path` and its parents up to `uppermost`, as far as they are empty. */
export async function removeEmpty(path: string, uppermost: string): Promise<void> {
  try {
    for (const each of foldersFrom(uppermost, path).toReversed()) await rmdir(each);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EBUSY'].includes(systemCode(error) ?? ''))
      throw ioError(error, path);
  }
}

/** A folder that contains `path`, those between, and `path` itself, downwards. */
function foldersFrom(uppermost: string, path: string): string[] {
  const folders = [resolve(path)];
  for (let each = resolve(path); each !== resolve(uppermost) && each !== dirname(each); ) {
    each = dirname(each);
    folders.unshift(each);
  }
  return folders;
}

/** Disk space of a file, or of a folder with its content, in bytes; holes do not count. */
export async function occupiedBytes(path: string): Promise<number> {
  try {
    const status = await lstat(path);
    if (!status.isDirectory()) return status.blocks * 512;
    let bytes = 0;
    for (const name of await readdir(path)) bytes += await occupiedBytes(join(path, name));
    return bytes;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw ioError(error, path);
  }
}

/** Free bytes for an unprivileged user on the file system of an existing path. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** @throws StowageError `space-insufficient` if fewer than `needed` bytes are free on the file system of `path` */
export async function requireSpace(path: string, needed: number): Promise<void> {
  const free = await freeBytes(path);
  if (free >= needed) return;
  throw new StowageError('space-insufficient', `not enough space on the file system of ${path}`, {
    expected: `${exactBytes(needed)} free`,
    found: `${exactBytes(free)} free`,
    hint: `free ${exactBytes(needed - free)} there, or choose another path`,
  });
}

/** Fewer files than this are synced one by one. */
const FEW_FILES = 16;
/** The number of Node's I/O threads: the file system writes them to disk together. */
const AT_ONCE = 4;
const PROGRAM = '/bin/sync';

/**
 * Makes files durable that were written and closed. Many small ones are synced together with `sync --file-system`, which
 * costs as much as a few fsyncs; if that program is missing or fails, each file is fsynced.
 * @param folder on the file system of the files
 */
export async function syncFiles(folder: string, paths: readonly string[]): Promise<void> {
  if (paths.length >= FEW_FILES && (await syncFileSystem(folder))) return;
  await forEachBounded(paths, AT_ONCE, syncFile);
}

async function syncFile(path: string): Promise<void> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, path);
  }
}

async function syncFileSystem(folder: string): Promise<boolean> {
  const child = spawn(PROGRAM, ['-f', folder], { env: {}, stdio: 'ignore' });
  try {
    const [status] = (await once(child, 'exit')) as [number | null];
    return status === 0;
  } catch {
    return false;
  }
}
