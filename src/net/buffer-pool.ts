import { KIB, MIB } from '../core/limits.ts';
import { sharedPages } from '../core/shared-memory.ts';

/** Bytes of a body that a buffer is filled with: as much as is written to disk at once. */
export const FILL_BYTES: number = MIB;
/** Bytes of a buffer. There is room for some behind the end of a body, where they are noticed. */
const BUFFER_BYTES: number = FILL_BYTES + 64 * KIB;
/** How many wait to be used again. */
const MAX_FREE = 24;
/**
 * How many exist in shared memory, used or not. The garbage collector does not see their size: those that nobody releases would stay until
 * something else makes it run. Further ones are ordinary memory.
 */
const MAX_SHARED = 64;

interface Usage {
  readonly buffer: Buffer;
  /** Ranges of it that somebody still reads. */
  readers: number;
  /** Whether nothing more is read into it. */
  sealed: boolean;
}

const inUse = new WeakMap<ArrayBufferLike, Usage>();
const free: Buffer[] = [];
let canShare = true;
let shared = 0;
const collected = new FinalizationRegistry<undefined>(() => {
  shared -= 1;
});

/**
 * A buffer to read into, page-aligned and in memory that other threads can be given. To allocate and to collect one for every megabyte
 * costs as much as to hash it, so a buffer is used again once it is sealed and every reader has released its range.
 */
export function takeBuffer(): Buffer {
  const buffer = free.pop() ?? newBuffer();
  inUse.set(buffer.buffer, { buffer, readers: 0, sealed: false });
  return buffer;
}

/** The bytes from `start` to `end` of a buffer or a chunk for a reader, who may {@link release} them. */
export function retain(buffer: Uint8Array, start: number, end: number): Uint8Array {
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

/** The chunks of a body, of which each is released when the next one is requested. */
export async function* releasing(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of body) {
    yield chunk;
    release(chunk);
  }
}

function reuse({ buffer, readers, sealed }: Usage): void {
  if (!sealed || readers !== 0) return;
  inUse.delete(buffer.buffer);
  if (free.length < MAX_FREE) free.push(buffer);
}

function newBuffer(): Buffer {
  try {
    if (canShare && shared < MAX_SHARED) {
      const memory = sharedPages(BUFFER_BYTES);
      collected.register(memory, undefined);
      shared += 1;
      return Buffer.from(memory);
    }
  } catch {
    // A limit on address space (`ulimit -v`), of which shared memory reserves more than it uses.
    canShare = false;
  }
  return Buffer.allocUnsafeSlow(BUFFER_BYTES);
}
