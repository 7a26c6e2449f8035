import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/error.ts';
import { ioError } from './file.ts';

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
