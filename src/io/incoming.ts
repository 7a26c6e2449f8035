import { closeSync, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MIB } from '../core/limits.ts';
import { isBlockAligned, openDirect, writeDirect } from './direct-io.ts';
import { ioError, remove, setMode } from './file.ts';
import type { Following, FollowPool } from './follow-pool.ts';
import { HashBacklog } from './hash-backlog.ts';
import type { BlobSums } from './hash-task.ts';
import { checkIdentity, type Expected } from './running-hashes.ts';
import { readSpans, SpanJournal } from './span-journal.ts';
import { type Span, Spans } from './spans.ts';
import { writeAll } from './write-all.ts';

/** How much is written between syncs, so that the last one is short. */
const SYNC_BYTES = 64 * MIB;

/** An expected blob of known size, which can be received in several ranges at once. */
export type SizedExpected = Expected & { readonly size: number };

/** The two files of an incomplete blob. */
export function incomingPaths(folder: string, key: string): { partial: string; journal: string } {
  return { partial: `${folder}/${key}.partial`, journal: `${folder}/${key}.spans` };
}

/**
 * A blob of known size that is received in ranges, in any order, and hashed by other threads up to the first gap. Bytes that
 * come right there are hashed where they are in memory; all others are read back.
 */
export class Incoming {
  /** Bytes that an earlier run received. */
  readonly resumed: number;
  readonly #expected: SizedExpected;
  readonly #handle: FileHandle;
  readonly #journal: SpanJournal;
  readonly #following: Following;
  readonly #path: string;
  readonly #direct: number | undefined;
  readonly #backlog: HashBacklog;
  #unsynced = 0;
  #syncFailure: { readonly error: unknown } | undefined;
  #syncing: Promise<void> | undefined;
  #finished = false;

  private constructor(
    path: string,
    expected: SizedExpected,
    opened: {
      handle: FileHandle;
      journal: SpanJournal;
      following: Following;
      direct: number | undefined;
    },
  ) {
    this.#path = path;
    this.#expected = expected;
    this.#handle = opened.handle;
    this.#journal = opened.journal;
    this.#following = opened.following;
    this.#direct = opened.direct;
    const { bytes, frontier } = opened.journal.spans;
    this.resumed = bytes;
    this.#backlog = new HashBacklog(opened.following, frontier);
  }

  /** @param uncached whether bytes that need not be read back are written past the page cache, if the file system can */
  static async open(
    folder: string,
    expected: SizedExpected,
    pool: FollowPool,
    { uncached }: { readonly uncached: boolean },
  ): Promise<Incoming> {
    const { partial, journal } = incomingPaths(folder, expected.key);
    let handle: FileHandle | undefined;
    try {
      handle = await open(
        partial,
        constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
        0o644,
      );
      await setMode(handle, 0o644);
      const spans = await resumableSpans(handle, journal, expected);
      return new Incoming(partial, expected, {
        handle,
        journal: await SpanJournal.open(journal, spans),
        following: pool.follow(partial, expected.check),
        direct: uncached ? openDirect(handle.fd, 'write') : undefined,
      });
    } catch (error) {
      await handle?.close();
      throw ioError(error, partial);
    }
  }

  /** The missing ranges. */
  get missing(): Span[] {
    return this.gaps({ start: 0, end: this.#expected.size });
  }

  /** The missing ranges within a range. */
  gaps(span: Span): Span[] {
    return this.#journal.spans.gaps(span);
  }

  /** How long the hashing threads could have hashed more, since the beginning. */
  get idleMs(): number {
    return this.#backlog.idleMs;
  }

  /**
   * Writes consecutive chunks from `start`, and records them. Waits while too much is in memory that is not hashed.
   * @param onReusable called for each chunk when its memory may change
   */
  async write(
    start: number,
    chunks: readonly Uint8Array[],
    onReusable: (chunk: Uint8Array) => void = () => {},
  ): Promise<void> {
    const bytes = chunks.reduce((sum, each) => sum + each.byteLength, 0);
    const inMemory = this.#isNextToHash(start) && chunks.every(isShared);
    try {
      if (inMemory) await this.#writeUncached(start, chunks);
      else await writeAll(this.#handle, chunks, start);
      const recorded = this.#journal.add({ start, end: start + bytes });
      // In the same turn: later, another connection may have announced these bytes together with its own.
      if (inMemory) this.#handOver(start, chunks, onReusable);
      else chunks.forEach(onReusable);
      await recorded;
      this.#startSync(bytes);
      if (inMemory) await this.#backlog.room();
    } catch (error) {
      throw ioError(error, this.#path);
    }
    this.#backlog.announce(this.#journal.spans.frontier);
  }

  /** Verifies the blob and makes it durable. @throws StowageError `source-mismatch` */
  async finish(): Promise<{ digest: Digest; sums: BlobSums }> {
    const { size } = this.#expected;
    try {
      await this.#handle.truncate(size);
      await this.#backlog.readAll(size);
      this.#finished = true;
      const [{ identity, sums }] = await Promise.all([this.#following.finish(size), this.#sync()]);
      return { digest: checkIdentity(this.#expected, identity, size), sums };
    } catch (error) {
      throw ioError(error, this.#path);
    }
  }

  /** Closes the files; received bytes are kept for another run. */
  async close(): Promise<void> {
    try {
      await this.#backlog.stop();
      if (!this.#finished) await this.#following.drop();
      await this.#syncing;
      await this.#journal.close();
    } finally {
      if (this.#direct !== undefined) closeSync(this.#direct);
      await this.#handle.close();
    }
  }

  /** Whether these bytes are the first that are missing, and the threads are close behind them. */
  #isNextToHash(start: number): boolean {
    return start === this.#journal.spans.frontier && !this.#backlog.isBehind;
  }

  async #writeUncached(start: number, chunks: readonly Uint8Array[]): Promise<void> {
    let position = start;
    for (const chunk of chunks) {
      const isAligned = this.#direct !== undefined && isBlockAligned(chunk.byteOffset);
      const written = isAligned ? await writeDirect(this.#direct, chunk, position) : 0;
      if (written < chunk.byteLength)
        await writeAll(this.#handle, [chunk.subarray(written)], position + written);
      position += chunk.byteLength;
    }
  }

  #handOver(
    start: number,
    chunks: readonly Uint8Array[],
    onReusable: (chunk: Uint8Array) => void,
  ): void {
    let end = start;
    for (const chunk of chunks) {
      end += chunk.byteLength;
      void this.#backlog.handOver(end, chunk).then(() => onReusable(chunk));
    }
  }

  /** Syncs the file. The system reports the failure of an earlier sync only once, and the later ones as successful. */
  async #sync(): Promise<void> {
    await this.#syncing;
    await this.#handle.sync();
    if (this.#syncFailure !== undefined) throw this.#syncFailure.error;
  }

  /** Starts to bring what was written to disk, so that little is left to do at the end. */
  #startSync(bytes: number): void {
    this.#unsynced += bytes;
    if (this.#unsynced < SYNC_BYTES || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = this.#handle
      .datasync()
      .catch((error: unknown) => {
        this.#syncFailure ??= { error };
      })
      .then(() => {
        this.#syncing = undefined;
      });
  }
}

/** Whether other threads can be given these bytes. */
function isShared({ buffer }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}

/** Removes the files of an incomplete blob. */
export async function removeIncoming(folder: string, key: string): Promise<void> {
  const { partial, journal } = incomingPaths(folder, key);
  await remove(partial);
  await remove(journal);
}

/** The ranges that an earlier run received of a blob. */
async function resumableSpans(
  handle: FileHandle,
  journal: string,
  { size, resume }: SizedExpected,
): Promise<Spans> {
  const { size: found } = await handle.stat();
  if (resume !== false && found <= size) {
    return (await readSpans(journal, found)) ?? new Spans([{ start: 0, end: found }]);
  }
  await handle.truncate(0);
  return new Spans();
}

/** Whether an error says that the bytes are not the requested ones. */
export function isMismatch(error: unknown): boolean {
  return error instanceof StowageError && error.code === 'source-mismatch';
}
