import { closeSync, constants, fdatasync, openSync } from 'node:fs';
import { MIB } from '../core/limits.ts';
import type { Destination } from './hash-task.ts';
import { attempt, drain, PassError } from './positioned.ts';

/** How much may wait in memory for the disk. */
const FLUSH_BYTES: number = 64 * MIB;

/**
 * A file that a pass writes. What was written goes to disk while more is read and hashed: a disk that waits for the end
 * of a part stands still meanwhile, and the memory of the host fills with what nobody reads again.
 */
export class WrittenFile {
  readonly #destination: Destination;
  readonly #file: number;
  #unflushed = 0;
  #flushing: Promise<void> = Promise.resolve();

  constructor(destination: Destination) {
    const { path, create } = destination;
    const flags =
      create === true ? 'wx' : constants.O_WRONLY | constants.O_NOFOLLOW | extraFlags(create);
    this.#destination = destination;
    this.#file = attempt(path, () => openSync(path, flags, 0o644));
  }

  /** @param offset in the piece */
  async write(bytes: Buffer, offset: number): Promise<void> {
    const { path, offset: start } = this.#destination;
    attempt(path, () => drain(this.#file, bytes, start + offset));
    this.#unflushed += bytes.length;
    if (this.#unflushed >= FLUSH_BYTES) await this.#flush();
  }

  /** Has all of it on disk, unless that is somebody else's affair. */
  async finish(): Promise<void> {
    if (this.#destination.unsynced !== true) await this.#flush();
    await this.#flushing;
  }

  async close(): Promise<void> {
    await this.#flushing.catch(() => {});
    closeSync(this.#file);
  }

  /** Begins to bring what was written to disk, when what was begun before is there. */
  async #flush(): Promise<void> {
    await this.#flushing;
    this.#unflushed = 0;
    this.#flushing = new Promise((resolve, reject) => {
      fdatasync(this.#file, (error) => {
        if (error === null) resolve();
        else reject(new PassError(error.code ?? 'EUNKNOWN', this.#destination.path, error.message));
      });
    });
    // Heard of at the next call.
    this.#flushing.catch(() => {});
  }
}

function extraFlags(create: false | 'anew'): number {
  return create === 'anew' ? constants.O_CREAT | constants.O_TRUNC : 0;
}
