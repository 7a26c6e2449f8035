import { closeSync, constants, copyFileSync, fdatasync, fsyncSync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { MIB } from '../core/limits.ts';
import { isBlockAligned, openDirect, writeDirect } from './direct-io.ts';
import type { Destination } from './hash-task.ts';
import { attempt, drain, PassError, setModeSync } from './positioned.ts';

/** How many written bytes may wait in memory for the disk. */
const FLUSH_BYTES: number = 64 * MIB;
/** Smaller files are written through the page cache, which costs little. */
const DIRECT_BYTES: number = 4 * MIB;

const flushed = promisify(fdatasync);

/**
 * A file that a pass writes. A large one bypasses the page cache (`O_DIRECT`) where the file system supports it: the
 * bytes are not copied, and do not displace other data from memory. Elsewhere it is flushed to disk while more is read
 * and hashed, so that the disk is not idle until the end.
 */
export class WrittenFile {
  readonly #destination: Destination;
  readonly #file: number;
  #direct: number | undefined;
  #unflushed = 0;
  #writing: Promise<unknown> = Promise.resolve();
  #flushing: Promise<void> = Promise.resolve();

  /** @param length how many bytes will be written */
  constructor(destination: Destination, length: number) {
    const { path, create } = destination;
    const flags =
      create === true ? 'wx' : constants.O_WRONLY | constants.O_NOFOLLOW | extraFlags(create);
    this.#destination = destination;
    this.#file = attempt(path, () => openSync(path, flags, 0o644));
    if (create !== false) setModeSync(this.#file, 0o644);
    if (length >= DIRECT_BYTES && isBlockAligned(destination.offset))
      this.#direct = openDirect(this.#file, 'write');
  }

  /** Whether large writes are faster than ones that fit the core's cache. */
  get isDirect(): boolean {
    return this.#direct !== undefined;
  }

  /**
   * Writes bytes; they must not change before the promise resolves. Several writes may run at once.
   * @param offset in the piece
   */
  write(bytes: Buffer, offset: number): Promise<void> {
    const written = this.#write(bytes, offset);
    this.#writing = Promise.allSettled([this.#writing, written]);
    return written;
  }

  async #write(bytes: Buffer, offset: number): Promise<void> {
    const position = this.#destination.offset + offset;
    const direct =
      this.#direct === undefined ? 0 : await writeDirect(this.#direct, bytes, position);
    const rest = bytes.subarray(direct);
    if (rest.length === 0) return;
    attempt(this.#destination.path, () => drain(this.#file, rest, position + direct));
    this.#unflushed += rest.length;
    if (this.#unflushed >= FLUSH_BYTES) await this.#flush();
  }

  /** Syncs the file, unless the caller does it. */
  async finish(): Promise<void> {
    if (this.#destination.unsynced !== true) await this.#flush();
    await this.#flushing;
  }

  /** Closes the file when no write is running. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#flushing.catch(() => {});
    if (this.#direct !== undefined) closeSync(this.#direct);
    closeSync(this.#file);
  }

  /** Starts a flush once the previous one has finished. */
  async #flush(): Promise<void> {
    await this.#flushing;
    this.#unflushed = 0;
    this.#flushing = flushed(this.#file).catch((error: NodeJS.ErrnoException) => {
      throw new PassError(error.code ?? 'EUNKNOWN', this.#destination.path, error.message);
    });
    // Reported by the next call.
    this.#flushing.catch(() => {});
  }
}

/** A new file that shares the blocks of another. */
export class ClonedFile {
  /** Open for reading. */
  readonly file: number;
  readonly #destination: Destination;

  private constructor(destination: Destination, file: number) {
    this.#destination = destination;
    this.file = file;
  }

  /** Clones an open file; undefined where the file system cannot, and for a path that exists. */
  static make(source: number, destination: Destination): ClonedFile | undefined {
    const { path } = destination;
    try {
      // By its descriptor, so that it cannot be replaced.
      const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE;
      copyFileSync(`/proc/self/fd/${source}`, path, flags);
    } catch {
      return undefined;
    }
    return new ClonedFile(
      destination,
      attempt(path, () => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)),
    );
  }

  /** Sets its mode, and syncs it unless the caller does. */
  finish(): void {
    attempt(this.#destination.path, () => {
      setModeSync(this.file, 0o644);
      if (this.#destination.unsynced !== true) fsyncSync(this.file);
    });
  }

  close(): void {
    closeSync(this.file);
  }
}

function extraFlags(create: false | 'anew'): number {
  return create === 'anew' ? constants.O_CREAT | constants.O_TRUNC : 0;
}
