import { randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import { MIB, READ_BUFFER_BYTES } from '../core/limits.ts';
import { openDirect, readDirect } from './direct-io.ts';
import { fill, type ReadPlace } from './positioned.ts';

/**
 * Checks again, after at most this many bytes, whether the file is in the page cache. At random places: what was read for the check
 * is in the cache afterwards. Earlier after the first check, which is always at the same place.
 */
const MAX_STRETCH_BYTES: number = 64 * MIB;
const MAX_FIRST_STRETCH_BYTES: number = 4 * MIB;
/** Reading {@link READ_BUFFER_BYTES} takes less time than this from memory, and more from a disk. */
const COLD_MS = 0.2;

/**
 * Reads a large file in order, bypassing the page cache (`O_DIRECT`) where the file is not in it: nothing reads the file again soon, and
 * memory for the cache can take longer to allocate than the disk takes to read. What cannot be read that way is read through the cache,
 * which also reports errors.
 */
export class ColdReads {
  readonly #source: Omit<ReadPlace, 'position'>;
  readonly #direct: number | undefined;
  readonly #coldMs: number;
  #isCold = false;
  #knownUpTo = 0;
  #isFirst = true;

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
      this.#knownUpTo =
        position + randomInt(this.#isFirst ? MAX_FIRST_STRETCH_BYTES : MAX_STRETCH_BYTES);
      this.#isFirst = false;
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
