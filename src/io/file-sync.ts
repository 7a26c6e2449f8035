import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ErrorCode } from '../core/error.ts';
import { BoundedRead } from './bounded-read.ts';
import { ioError } from './file.ts';

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
    file = openSync(path, BoundedRead.FLAGS);
    const read = new BoundedRead(path, fstatSync(file), maxBytes, tooLarge);
    while (!read.ended) read.took(readSync(file, ...read.room));
    return read.whole();
  } catch (error) {
    throw ioError(error, path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
