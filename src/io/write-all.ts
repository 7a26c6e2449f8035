import type { FileHandle } from 'node:fs/promises';
import { CACHED_WRITE_BYTES } from './positioned.ts';

/** Writes consecutive chunks to a file, all of their bytes, through the page cache. */
export async function writeAll(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  start: number,
): Promise<void> {
  let position = start;
  for (const chunk of chunks) {
    for (let done = 0; done < chunk.byteLength; ) {
      const length = Math.min(CACHED_WRITE_BYTES, chunk.byteLength - done);
      const { bytesWritten } = await handle.write(chunk, done, length, position);
      done += bytesWritten;
      position += bytesWritten;
    }
  }
}
