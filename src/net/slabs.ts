import { MIB } from '../core/limits.ts';

/** Bytes of a slab: as much as is written to disk at once. */
const SLAB_BYTES: number = MIB;
/** How many wait to be used again. */
const MAX_FREE = 24;

interface Lent {
  readonly slab: Buffer;
  /** Chunks of it that somebody still reads. */
  readers: number;
  /** Whether nothing more is read into it. */
  full: boolean;
}

const lent = new WeakMap<ArrayBufferLike, Lent>();
const free: Buffer[] = [];

/**
 * A buffer to read into. To allocate and to collect one for every megabyte costs as much as to hash it, so that those
 * are used again whose readers say that they are done.
 */
export function takeSlab(): Buffer {
  const slab = free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  lent.set(slab.buffer, { slab, readers: 0, full: false });
  return slab;
}

/** Hands a stretch of a slab to a reader. */
export function lend(slab: Buffer, start: number, end: number): Uint8Array {
  const note = lent.get(slab.buffer);
  if (note !== undefined) note.readers += 1;
  return slab.subarray(start, end);
}

/** Says that nothing more is read into a slab. */
export function retire(slab: Buffer): void {
  const note = lent.get(slab.buffer);
  if (note === undefined) return;
  note.full = true;
  reuse(note);
}

/**
 * Says that a chunk of a body is needed no more: its bytes may change from now on. Nobody has to: a chunk that is not
 * given back is collected like any other. At most once for each chunk.
 */
export function giveBack(chunk: Uint8Array): void {
  const note = lent.get(chunk.buffer);
  if (note === undefined) return;
  note.readers -= 1;
  reuse(note);
}

function reuse({ slab, readers, full }: Lent): void {
  if (!full || readers !== 0) return;
  lent.delete(slab.buffer);
  if (free.length < MAX_FREE) free.push(slab);
}
