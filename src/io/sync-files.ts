import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ioError } from './file.ts';
import { forEachBounded } from './queue.ts';

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
