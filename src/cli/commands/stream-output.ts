import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Sink } from '../../bundle/stream/write-stream.ts';
import { StowageError, systemCode } from '../../core/error.ts';
import { exists, outputError, setMode, syncFolder } from '../../io/file.ts';

/**
 * Gives a stream a sink at a path. A device or a named pipe is written to. A new file gets its name only when the stream is
 * complete and on disk, so a stream that failed leaves nothing that looks like one; what a killed command left is replaced.
 * @throws StowageError `output-exists` if there is a file, `file-missing`, `space-insufficient`, `io-failed`, and as `run`
 */
export async function streamToPath<T>(path: string, run: (sink: Sink) => Promise<T>): Promise<T> {
  try {
    if (await isSpecial(path)) return await writeSpecial(path, run);
    await requireAbsent(path);
    return await writeNewFile(path, run);
  } catch (error) {
    throw outputError(error, path);
  }
}

/** Whether a path leads to something that is not a regular file: a device, a pipe, or a folder, which cannot be opened. */
async function isSpecial(path: string): Promise<boolean> {
  try {
    return !(await stat(path)).isFile();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}

async function writeSpecial<T>(path: string, run: (sink: Sink) => Promise<T>): Promise<T> {
  const handle = await open(path, 'w');
  try {
    return await run(sinkOf(handle));
  } finally {
    await handle.close();
  }
}

async function writeNewFile<T>(path: string, run: (sink: Sink) => Promise<T>): Promise<T> {
  const temporary = join(dirname(path), `.${basename(path)}.partial`);
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'wx', 0o644);
  try {
    let result: T;
    try {
      await setMode(handle, 0o644);
      result = await run(sinkOf(handle));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await requireAbsent(path);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return result;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

function sinkOf(handle: FileHandle): Sink {
  return async (bytes) => void (await handle.writeFile(bytes));
}

async function requireAbsent(path: string): Promise<void> {
  if (!(await exists(path))) return;
  throw new StowageError('output-exists', `${path} exists already`, {
    expected: 'a path where nothing exists, a device or a named pipe',
    found: 'a file or a link',
    hint: 'choose another --output, or move the existing file away',
  });
}
