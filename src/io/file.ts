import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { chmod, type FileHandle, lstat, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ErrorCode, StowageError, systemCode } from '../core/error.ts';
import { BoundedRead } from './bounded-read.ts';

/** The status of a file, folder or link; undefined if there is none. @param absent the errors that mean so */
export async function statusOf(
  path: string,
  absent: readonly string[] = ['ENOENT', 'ENOTDIR'],
): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (absent.includes(systemCode(error) ?? '')) return undefined;
    throw ioError(error, path);
  }
}

/** Whether a path exists; a dangling link counts. */
export async function exists(path: string): Promise<boolean> {
  return (await statusOf(path)) !== undefined;
}

/** The names in a folder, sorted; none if the folder does not exist. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw ioError(error, folder);
  }
}

/**
 * Reads a regular file of at most `maxBytes`. Does not follow a link in the last segment.
 * @param tooLarge the code for a larger file
 * @throws StowageError `file-missing`, `file-kind`, `io-failed`, and `tooLarge`
 */
export async function readBounded(
  path: string,
  maxBytes: number,
  tooLarge: ErrorCode = 'io-failed',
): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, BoundedRead.FLAGS);
    const read = new BoundedRead(path, await handle.stat(), maxBytes, tooLarge);
    while (!read.ended) read.took((await handle.read(...read.room)).bytesRead);
    return read.whole();
  } catch (error) {
    throw ioError(error, path);
  } finally {
    await handle?.close();
  }
}

/** {@link readBounded}, but undefined if the file does not exist. */
export async function readIfThere(
  ...file: Parameters<typeof readBounded>
): Promise<Buffer | undefined> {
  try {
    return await readBounded(...file);
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}

/**
 * Reads a file whose path a person gave: what is no file there says nothing about a bundle.
 * @throws StowageError `file-missing` also for what is not a regular file, `io-failed`
 */
export async function readNamed(path: string, maxBytes: number): Promise<Buffer> {
  try {
    return await readBounded(path, maxBytes);
  } catch (cause) {
    if (!(cause instanceof StowageError) || cause.code !== 'file-kind') throw cause;
    const { message, expected = '', found = '' } = cause;
    const hint = 'give the path of the file itself, not of a folder or a link';
    throw new StowageError('file-missing', message, { expected, found, hint, cause });
  }
}

/** Writes a whole file atomically: temporary file, fsync, rename, fsync of the folder. */
export async function writeAtomic(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    await writeNew(temporary, bytes, mode);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw outputError(error, path);
  }
}

/** Removes what a killed {@link writeAtomic} left in a folder; for who knows that no other is at work there. */
export async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await namesIn(folder))
    if (/^\.[0-9a-f]{16}\.tmp$/.test(name)) await remove(join(folder, name));
}

/** Writes a file that must not exist, and fsyncs it. @throws StowageError `output-exists`, `file-missing`, `io-failed` */
export async function writeNew(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'wx', mode);
    await setMode(handle, mode);
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (error) {
    throw systemCode(error) === 'EEXIST' ? outputExists(path, error) : outputError(error, path);
  } finally {
    await handle?.close();
  }
}

function outputExists(path: string, cause: unknown): StowageError {
  return new StowageError('output-exists', `${path} exists already`, {
    expected: 'a path where nothing exists',
    found: 'a file or folder',
    hint: 'choose another path, or remove it first',
    cause,
  });
}

/** Gives a new file its mode, whatever the umask is. File systems without modes keep theirs. */
export async function setMode(handle: FileHandle, mode: number): Promise<void> {
  if (((await handle.stat()).mode & 0o777) !== mode) await whereSupported(handle.chmod(mode));
}

/** Awaits a change of mode. File systems without modes keep theirs. */
export async function whereSupported(change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!['EPERM', 'ENOSYS', 'EOPNOTSUPP'].includes(systemCode(error) ?? '')) throw error;
  }
}

/** Gives a file its size, made if it is not there, so that it can be written at any offset in any order. */
export async function allocate(path: string, size: number): Promise<void> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    const handle = await open(path, flags, 0o644);
    try {
      await setMode(handle, 0o644);
      if ((await handle.stat()).size !== size) await handle.truncate(size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, path);
  }
}

/** Appends a line and fsyncs. */
export async function appendLine(path: string, line: string, mode = 0o644): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'a', mode);
    if ((await handle.stat()).size === 0) await setMode(handle, mode);
    await handle.writeFile(`${line}\n`);
    await handle.sync();
  } catch (error) {
    throw ioError(error, path);
  } finally {
    await handle?.close();
  }
}

/** Truncates a file to `length` bytes, and fsyncs. */
export async function cutFile(path: string, length: number): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW);
    await handle.truncate(length);
    await handle.sync();
  } catch (error) {
    throw ioError(error, path);
  } finally {
    await handle?.close();
  }
}

/** The id of the user that this process acts as. */
export async function effectiveUser(): Promise<number> {
  return (await stat('/proc/self')).uid;
}

/** Makes the entries of a folder durable: a rename is on disk only after its folder was synced. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // FUSE and network file systems that cannot sync a folder answer EINVAL; nothing more can be done there.
    if (systemCode(error) !== 'EINVAL') throw ioError(error, path);
  } finally {
    await handle.close();
  }
}

/** Removes a file, or a folder with its content; a path that does not exist is no error. */
export async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 2 });
  } catch (error) {
    throw ioError(error, path);
  }
}

/** Renames a finished folder or file to its final name, and syncs the parent folder. */
export async function renameIntoPlace(temporary: string, path: string): Promise<void> {
  try {
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw ioError(error, path);
  }
}

/** Sets the read-only mode of a finished file. */
export async function makeReadOnly(path: string): Promise<void> {
  await chmod(path, 0o444);
}

/** {@link ioError} for a file that could not be created: what is missing then is its folder. */
export function outputError(error: unknown, path: string): unknown {
  const code = systemCode(error);
  const folder = dirname(path);
  if (code === 'ENOTDIR') return notFolder(folder, error);
  if (code !== 'ENOENT') return ioError(error, path);
  return new StowageError('file-missing', `the folder of ${path} does not exist`, {
    expected: `a folder at ${folder}`,
    found: 'nothing',
    hint: `run "mkdir -p ${folder}", then the same command again`,
    cause: error,
  });
}

/** The error for a file where a folder is needed. */
export function notFolder(path: string, cause: unknown): StowageError {
  return new StowageError('file-missing', `${path} is not a folder`, {
    expected: 'a folder',
    found: 'a file where the path requires a folder',
    hint: 'choose another path, or move that file away',
    cause,
  });
}

/** Converts a system error to a StowageError; returns any other error unchanged. */
export function ioError(error: unknown, path: string): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  if (code === 'ENOTDIR') {
    return new StowageError('file-missing', `the path ${path} leads through a file`, {
      expected: 'a folder',
      found: 'a file',
      hint: 'choose another path, or move that file away',
      cause: error,
    });
  }
  if (code === 'ENOENT') {
    return new StowageError('file-missing', `${path} does not exist`, {
      expected: 'a file or folder',
      found: 'nothing',
      hint: 'check the spelling of the path, and the folder in which you run the command',
      cause: error,
    });
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new StowageError('space-insufficient', `no space left for ${path}`, {
      expected: 'free space on its file system',
      found: code,
      hint: 'free space there and run the same command again: finished work is kept',
      cause: error,
    });
  }
  if (code === 'ELOOP') {
    return new StowageError('file-kind', `${path} is a symbolic link`, {
      expected: 'a regular file',
      found: 'a symbolic link',
      hint: 'replace it with the file itself',
      cause: error,
    });
  }
  const remedies: Readonly<Record<string, string>> = {
    EACCES: 'run as the user who owns it, or as root',
    EROFS: 'the file system is read-only; choose a writable path',
    EIO: 'the disk or medium is failing: dmesg shows where; of a medium, try another copy',
    EFBIG: 'the file is too large for this file system; use smaller parts',
    EISDIR: 'give the path of a file, not of a folder',
    ENAMETOOLONG: 'choose a shorter path',
  };
  return new StowageError('io-failed', `${path} could not be read or written`, {
    expected: 'working storage',
    found: code,
    hint:
      remedies[code === 'EPERM' ? 'EACCES' : code] ??
      'check the disk and the mount, then run the same command again',
    cause: error,
  });
}
