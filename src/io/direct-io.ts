import { constants, openSync, readSync, write } from 'node:fs';
import { totalmem } from 'node:os';
import { KIB } from '../core/limits.ts';

/** Alignment of offset, length and memory: no disk in use has larger blocks. */
const BLOCK_BYTES: number = 4 * KIB;

/**
 * Opens the same file again by its descriptor, so that it cannot be replaced, for reads or writes past the page cache (`O_DIRECT`).
 * Undefined where the file system does not support that.
 */
export function openDirect(file: number, mode: 'read' | 'write'): number | undefined {
  const access = mode === 'read' ? constants.O_RDONLY : constants.O_WRONLY;
  try {
    return openSync(`/proc/self/fd/${file}`, access | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/** Whether a direct read or write can begin at an offset of a file, or at an address in page-aligned memory. */
export function isBlockAligned(offset: number): boolean {
  return offset % BLOCK_BYTES === 0;
}

/**
 * Reads whole blocks past the page cache, into page-aligned memory. The rest is for a read through the page cache, which also
 * reports what went wrong here.
 * @returns how many bytes were read
 */
export function readDirect(file: number, buffer: Buffer, position: number): number {
  const length = wholeBlocks(buffer.length);
  if (length === 0 || !isBlockAligned(position)) return 0;
  try {
    return readSync(file, buffer, 0, length, position);
  } catch {
    return 0;
  }
}

/**
 * Writes whole blocks past the page cache, from page-aligned memory. The rest is for a write through the page cache, which
 * also reports what went wrong here.
 * @returns how many bytes were written
 */
export async function writeDirect(
  file: number,
  bytes: Uint8Array,
  position: number,
): Promise<number> {
  const length = wholeBlocks(bytes.length);
  if (length === 0 || !isBlockAligned(position)) return 0;
  return new Promise((resolve) => {
    write(file, bytes, 0, length, position, (error, written) => {
      resolve(error === null ? written : 0);
    });
  });
}

function wholeBlocks(bytes: number): number {
  return bytes - (bytes % BLOCK_BYTES);
}

/**
 * Whether content of this many bytes would not stay in the page cache until it is read again, after it was written there.
 * @param memory bytes of this machine
 */
export function exceedsPageCache(bytes: number, memory: number = totalmem()): boolean {
  return bytes > memory / 4;
}
