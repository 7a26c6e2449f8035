import { randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import { MIB, READ_BUFFER_BYTES } from '../core/limits.ts';
import { openDirect, readDirect } from './direct-io.ts';
import { fill, type ReadPlace } from './positioned.ts';

/**
 * After so many bytes at most, it is found out again whether the file is in the page cache. Not always at the same place: what was read
 * there to find out is in the cache afterwards.
 */
const MAX_STRETCH_BYTES: number = 64 * MIB;
/** Reading {@link READ_BUFFER_BYTES} takes less than this from memory, and more from a disk. */
const COLD_MS = 0.2;

/**
 * Reads a large file in order, past the page cache (`O_DIRECT`) where it is not in it: the cache would be of no use to anybody, and to find
 * memory for it can take longer than to read the disk. Whatever cannot be read so is read through the cache, which reports errors.
 */
export class ColdReads {
  readonly #source: Omit<ReadPlace, 'position'>;
  readonly #direct: number | undefined;
  readonly #coldMs: number;
  #isCold = false;
  #knownUpTo = 0;

  /** @param coldMs how long the first bytes of a stretch may take if they are in memory */
  constructor(source: Omit<ReadPlace, 'position'>, coldMs: number = COLD_MS) {
    this.#source = source;
    this.#direct = openDirect(source.source, 'read');
    this.#coldMs = coldMs;
  }

  /** Reads exactly `want` bytes to the beginning of a page-aligned buffer. @throws PassError `ESHORT`, or the system's code */
  fill(buffer: Buffer, want: number, position: number): Buffer {
    let done = 0;
    if (position >= this.#knownUpTo) {
      done = Math.min(want, READ_BUFFER_BYTES);
      const start = performance.now();
      fill(buffer, done, { ...this.#source, position });
      this.#isCold = performance.now() - start > this.#coldMs;
      this.#knownUpTo = position + randomInt(MAX_STRETCH_BYTES);
    }
    if (this.#isCold && this.#direct !== undefined)
      done += readDirect(this.#direct, buffer.subarray(done, want), position + done);
    fill(buffer.subarray(done), want - done, { ...this.#source, position: position + done });
    return buffer.subarray(0, want);
  }

  close(): void {
    if (this.#direct !== undefined) closeSync(this.#direct);
  }
}
