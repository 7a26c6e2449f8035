import type { FileHandle } from 'node:fs/promises';

/** Writes consecutive chunks to a file, all of their bytes. */
export async function writeAll(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  start: number,
): Promise<void> {
  let rest = [...chunks];
  let position = start;
  while (rest[0] !== undefined) {
    const { length } = rest;
    let { bytesWritten } = await (length === 1
      ? handle.write(rest[0], 0, rest[0].byteLength, position)
      : handle.writev(rest, position));
    position += bytesWritten;
    while (rest[0] !== undefined && bytesWritten >= rest[0].byteLength) {
      bytesWritten -= rest[0].byteLength;
      rest = rest.slice(1);
    }
    if (rest[0] !== undefined && bytesWritten > 0) rest[0] = rest[0].subarray(bytesWritten);
  }
}
