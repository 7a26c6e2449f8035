import { MIB } from '../core/limits.ts';

/** Bytes of a buffer: as much as is written to disk at once. */
const BUFFER_BYTES: number = MIB;
/** How many wait to be used again. */
const MAX_FREE = 24;

interface Usage {
  readonly buffer: Buffer;
  /** Ranges of it that somebody still reads. */
  readers: number;
  /** Whether nothing more is read into it. */
  sealed: boolean;
}

const inUse = new WeakMap<ArrayBufferLike, Usage>();
const free: Buffer[] = [];

/**
 * A buffer to read into. To allocate and to collect one for every megabyte costs as much as to hash it, so a buffer is
 * used again once it is sealed and every reader has released its range.
 */
export function takeBuffer(): Buffer {
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  inUse.set(buffer.buffer, { buffer, readers: 0, sealed: false });
  return buffer;
}

/** The bytes from `start` to `end` for a reader, who may {@link release} them. */
export function retain(buffer: Buffer, start: number, end: number): Uint8Array {
  const usage = inUse.get(buffer.buffer);
  if (usage !== undefined) usage.readers += 1;
  return buffer.subarray(start, end);
}

/** Says that nothing more is read into a buffer. */
export function seal(buffer: Buffer): void {
  const usage = inUse.get(buffer.buffer);
  if (usage === undefined) return;
  usage.sealed = true;
  reuse(usage);
}

/**
 * Says that a chunk of a body is no longer needed: its bytes may change from now on. At most once for each chunk, and
 * optional: a chunk that is not released is garbage-collected like any other.
 */
export function release(chunk: Uint8Array): void {
  const usage = inUse.get(chunk.buffer);
  if (usage === undefined) return;
  usage.readers -= 1;
  reuse(usage);
}

function reuse({ buffer, readers, sealed }: Usage): void {
  if (!sealed || readers !== 0) return;
  inUse.delete(buffer.buffer);
  if (free.length < MAX_FREE) free.push(buffer);
}
