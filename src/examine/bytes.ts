import { type FileHandle, open } from 'node:fs/promises';
import { ioError } from '../io/file.ts';
import { RuleBroken } from './rule-broken.ts';

/** Content that is read at given positions, so that examining a large file reads only a few parts of it. */
export interface Bytes {
  readonly size: number;
  /** Fewer than `length` bytes only where the content ends. */
  read(offset: number, length: number): Promise<Buffer>;
}

export function memoryBytes(buffer: Buffer): Bytes {
  return {
    size: buffer.length,
    read: async (offset, length) => buffer.subarray(offset, offset + length),
  };
}

/** A range of other content. */
export function sliceBytes(bytes: Bytes, start: number, size: number): Bytes {
  return {
    size,
    read: (offset, length) =>
      bytes.read(start + offset, Math.max(0, Math.min(length, size - offset))),
  };
}

/** Limits how many bytes of the content are read; reading more throws `examine-limit`. */
export function boundedBytes(bytes: Bytes, maxBytes: number): Bytes {
  let left = maxBytes;
  return {
    size: bytes.size,
    read: async (offset, length) => {
      const wanted = Math.max(0, Math.min(length, bytes.size - offset));
      left -= wanted;
      if (left < 0)
        throw new RuleBroken('examine-limit', `examining it needs more than ${maxBytes} bytes`);
      return wanted === 0 ? Buffer.alloc(0) : bytes.read(offset, wanted);
    },
  };
}

/** Reads a stored file while `work` runs. @throws StowageError `io-failed`, `file-missing` */
export async function withFile<T>(path: string, work: (bytes: Bytes) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const file = handle;
    const { size } = await file.stat();
    return await work({ size, read: (offset, length) => readFully(file, offset, length) });
  } catch (error) {
    throw ioError(error, path);
  } finally {
    await handle?.close();
  }
}

async function readFully(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
