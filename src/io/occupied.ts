import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/error.ts';
import { ioError } from './file.ts';

/** What a file or a folder with all that is in it takes on its disk, in bytes: holes take none. */
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
