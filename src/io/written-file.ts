import { closeSync, constants, fdatasync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { KIB, MIB } from '../core/limits.ts';
import type { Destination } from './hash-task.ts';
import { attempt, drain, PassError } from './positioned.ts';

/** How much may wait in memory for the disk. */
const FLUSH_BYTES: number = 64 * MIB;
/** Less than this goes through the page cache: it costs little there. */
const DIRECT_BYTES: number = 4 * MIB;
/** What offset, length and memory of a direct write are multiples of: no disk in use has larger blocks. */
const BLOCK_BYTES: number = 4 * KIB;

const flushed = promisify(fdatasync);

/**
 * A file that a pass writes. A long one goes past the page cache (`O_DIRECT`) where the file system can do that: the
 * bytes are not copied, and the memory of the host does not fill with what nobody reads again. Anywhere else it goes
 * to disk while more is read and hashed, so that the disk does not stand still until the end.
 */
export class WrittenFile {
  readonly #destination: Destination;
  readonly #file: number;
  #direct: number | undefined;
  #unflushed = 0;
  #flushing: Promise<void> = Promise.resolve();

  /** @param length bytes that will be written */
  constructor(destination: Destination, length: number) {
    const { path, create } = destination;
    const flags =
      create === true ? 'wx' : constants.O_WRONLY | constants.O_NOFOLLOW | extraFlags(create);
    this.#destination = destination;
    this.#file = attempt(path, () => openSync(path, flags, 0o644));
    if (length >= DIRECT_BYTES && destination.offset % BLOCK_BYTES === 0)
      this.#direct = openDirect(this.#file);
  }

  /** Whether large stretches are worth more than ones that stay in the core's cache. */
  get isDirect(): boolean {
    return this.#direct !== undefined;
  }

  /**
   * Writes bytes that must not change before this has resolved.
   * @param offset in the piece
   */
  async write(bytes: Buffer, offset: number): Promise<void> {
    const position = this.#destination.offset + offset;
    const direct = await this.#writeDirect(bytes, position);
    const rest = bytes.subarray(direct);
    if (rest.length === 0) return;
    attempt(this.#destination.path, () => drain(this.#file, rest, position + direct));
    this.#unflushed += rest.length;
    if (this.#unflushed >= FLUSH_BYTES) await this.#flush();
  }

  /** Has all of it on disk, unless that is somebody else's affair. */
  async finish(): Promise<void> {
    if (this.#destination.unsynced !== true) await this.#flush();
    await this.#flushing;
  }

  async close(): Promise<void> {
    await this.#flushing.catch(() => {});
    if (this.#direct !== undefined) closeSync(this.#direct);
    closeSync(this.#file);
  }

  /** Writes what consists of whole blocks. @returns how many bytes, from the first, are written */
  async #writeDirect(bytes: Buffer, position: number): Promise<number> {
    if (this.#direct === undefined || position % BLOCK_BYTES !== 0) return 0;
    const length = bytes.length - (bytes.length % BLOCK_BYTES);
    return length === 0 ? 0 : await writeSome(this.#direct, bytes, length, position);
  }

  /** Begins to bring what was written to disk, when what was begun before is there. */
  async #flush(): Promise<void> {
    await this.#flushing;
    this.#unflushed = 0;
    this.#flushing = flushed(this.#file).catch((error: NodeJS.ErrnoException) => {
      throw new PassError(error.code ?? 'EUNKNOWN', this.#destination.path, error.message);
    });
    // Heard of at the next call.
    this.#flushing.catch(() => {});
  }
}

function extraFlags(create: false | 'anew'): number {
  return create === 'anew' ? constants.O_CREAT | constants.O_TRUNC : 0;
}

/** The same file opened anew, by its number: no other can be put in its place. Undefined where that cannot be had. */
function openDirect(file: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${file}`, constants.O_WRONLY | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/** Writes from the first byte on, up to `length`; what it could not is left to the page cache, which says why. */
function writeSome(file: number, bytes: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve) => {
    write(file, bytes, 0, length, position, (error, written) => {
      resolve(error === null ? written : 0);
    });
  });
}
