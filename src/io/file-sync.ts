import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { ErrorCode } from '../core/error.ts';
import { ioError, notRegular, oversize } from './file.ts';

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * `readBounded` without a promise: a worker thread reads small files in a fifth of the processor time.
 * @throws StowageError as `readBounded`
 */
export function readBoundedSync(
  path: string,
  maxBytes: number,
  tooLarge: ErrorCode = 'io-failed',
): Buffer {
  let file: number | undefined;
  try {
    file = openSync(path, FLAGS);
    const status = fstatSync(file);
    if (!status.isFile()) throw notRegular(path, status);
    const { size } = status;
    if (size > maxBytes) throw oversize(path, size, maxBytes, tooLarge);
    // One byte more than its size: a file that grows is detected, not truncated.
    const buffer = Buffer.alloc(size + 1);
    let filled = 0;
    while (filled < buffer.length) {
      const bytesRead = readSync(file, buffer, filled, buffer.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    if (filled !== size) throw oversize(path, filled, size, 'io-failed');
    return buffer.subarray(0, size);
  } catch (error) {
    throw ioError(error, path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
