import { constants, openSync, write } from 'node:fs';
import { KIB } from '../core/limits.ts';

/** Alignment of offset, length and memory of a direct write: no disk in use has larger blocks. */
const BLOCK_BYTES: number = 4 * KIB;

/** Opens the same file again by its descriptor, so that it cannot be replaced. Undefined if `O_DIRECT` is unsupported. */
export function openDirect(file: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${file}`, constants.O_WRONLY | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/** Whether a direct write can begin at an offset of a file, or at an address in page-aligned memory. */
export function isBlockAligned(offset: number): boolean {
  return offset % BLOCK_BYTES === 0;
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
  const length = bytes.length - (bytes.length % BLOCK_BYTES);
  if (length === 0 || !isBlockAligned(position)) return 0;
  return new Promise((resolve) => {
    write(file, bytes, 0, length, position, (error, written) => {
      resolve(error === null ? written : 0);
    });
  });
}
