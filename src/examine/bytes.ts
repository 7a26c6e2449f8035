import { type FileHandle, open } from 'node:fs/promises';
import { StowageError } from '../core/error.ts';
import { KIB } from '../core/limits.ts';
import type { Rule } from '../format/finding.ts';
import { ioError } from '../io/file.ts';
import { explanations } from './explain.ts';

/** Content violates a rule: thrown while a file is read, and turned into a finding by the caller, which knows the name of the file. */
export class RuleBroken extends StowageError {
  readonly rule: Rule;

  constructor(rule: Rule, detail: string) {
    super('content-refused', detail, { found: rule, hint: explanations[rule].remedy });
    this.rule = rule;
  }
}

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

/** Reads this many bytes at once, for short reads that mostly follow one another. */
export function windowedBytes(bytes: Bytes, windowBytes: number): Bytes {
  let window: Buffer = Buffer.alloc(0);
  let start = 0;
  return {
    size: bytes.size,
    read: async (offset, length) => {
      if (length > windowBytes) return bytes.read(offset, length);
      const wanted = Math.min(length, Math.max(0, bytes.size - offset));
      if (offset < start || offset + wanted > start + window.length) {
        window = await bytes.read(offset, windowBytes);
        start = offset;
      }
      return window.subarray(offset - start, offset - start + wanted);
    },
  };
}

/** Content without some of its ranges, which are in order and do not overlap. */
export function withoutRanges(
  bytes: Bytes,
  ranges: readonly { readonly start: number; readonly end: number }[],
): Bytes {
  const kept: { readonly at: number; readonly start: number; readonly end: number }[] = [];
  let size = 0;
  let position = 0;
  for (const { start, end } of [...ranges, { start: bytes.size, end: bytes.size }]) {
    if (start > position) {
      kept.push({ at: size, start: position, end: start });
      size += start - position;
    }
    position = end;
  }
  return {
    size,
    read: async (offset, length) => {
      const parts: Buffer[] = [];
      for (const { at, start, end } of kept) {
        const from = Math.max(offset, at);
        const to = Math.min(offset + length, at + end - start);
        if (from < to) parts.push(await bytes.read(start + from - at, to - from));
      }
      return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    },
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

const WINDOW_BYTES = 64 * KIB;

/** Reads numbers, byte strings and lines in order; skipped bytes are not read. */
export class Reader {
  position: number;
  readonly size: number;
  /** Whether numbers are big-endian. */
  bigEndian = false;
  readonly #bytes: Bytes;
  readonly #ended: () => Error;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;

  /** @param ended makes the error to throw when the content ends too early */
  constructor(bytes: Bytes, position: number, ended: () => Error) {
    this.#bytes = bytes;
    this.size = bytes.size;
    this.position = position;
    this.#ended = ended;
  }

  get left(): number {
    return this.size - this.position;
  }

  /** @param length limited by the caller, because that many bytes are held in memory */
  async take(length: number): Promise<Buffer> {
    let from = this.position - this.#start;
    if (from < 0 || from + length > this.#window.length) {
      if (length > this.left) throw this.#ended();
      this.#window = await this.#bytes.read(this.position, Math.max(length, WINDOW_BYTES));
      this.#start = this.position;
      from = 0;
      if (this.#window.length < length) throw this.#ended();
    }
    this.position += length;
    return this.#window.subarray(from, from + length);
  }

  skip(length: number): void {
    if (!(length >= 0 && length <= this.left)) throw this.#ended();
    this.position += length;
  }

  /** The bytes before the next line feed, which is consumed too; undefined if there is none within `max` bytes. */
  async line(max: number): Promise<Buffer | undefined> {
    const start = this.position;
    const chunk = await this.take(Math.min(max + 1, this.left));
    const end = chunk.indexOf(10);
    if (end < 0) {
      if (chunk.length <= max) throw this.#ended();
      return undefined;
    }
    this.position = start + end + 1;
    return chunk.subarray(0, end);
  }

  async u8(): Promise<number> {
    return (await this.take(1)).readUInt8();
  }

  async u16(): Promise<number> {
    const bytes = await this.take(2);
    return this.bigEndian ? bytes.readUInt16BE() : bytes.readUInt16LE();
  }

  async u32(): Promise<number> {
    const bytes = await this.take(4);
    return this.bigEndian ? bytes.readUInt32BE() : bytes.readUInt32LE();
  }

  async u64(): Promise<bigint> {
    const bytes = await this.take(8);
    return this.bigEndian ? bytes.readBigUInt64BE() : bytes.readBigUInt64LE();
  }
}
