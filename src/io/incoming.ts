import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { OnBytes } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { CRC_SPAN_BYTES, MAX_UNKNOWN_BYTES, MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { ioError, remove, setMode } from './file.ts';
import type { Following, FollowPool } from './follow-pool.ts';
import type { BlobSums } from './hash-task.ts';
import { checkIdentity, type Expected, RunningHashes } from './running-hashes.ts';
import { readSpans, SpanJournal } from './span-journal.ts';
import { type Span, Spans } from './spans.ts';

/** How much is written between syncs, so that the last one is short. */
const SYNC_BYTES = 64 * MIB;

/** An expected blob of known size, which can be received in several ranges at once. */
export type SizedExpected = Expected & { readonly size: number };

/** The two files of an incomplete blob. */
export function incomingPaths(folder: string, key: string): { partial: string; journal: string } {
  return { partial: `${folder}/${key}.partial`, journal: `${folder}/${key}.spans` };
}

/** A blob of known size that is received in ranges, in any order, and hashed by other threads up to the first gap. */
export class Incoming {
  /** Bytes that an earlier run received. */
  readonly resumed: number;
  readonly #expected: SizedExpected;
  readonly #handle: FileHandle;
  readonly #journal: SpanJournal;
  readonly #following: Following;
  readonly #path: string;
  #told = 0;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  #finished = false;

  private constructor(
    path: string,
    expected: SizedExpected,
    opened: { handle: FileHandle; journal: SpanJournal; following: Following },
  ) {
    this.#path = path;
    this.#expected = expected;
    this.#handle = opened.handle;
    this.#journal = opened.journal;
    this.#following = opened.following;
    this.resumed = opened.journal.spans.bytes;
    this.#tell();
  }

  static async open(folder: string, expected: SizedExpected, pool: FollowPool): Promise<Incoming> {
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

  /** Writes consecutive chunks from `start`, and records them. */
  async write(start: number, chunks: readonly Uint8Array[]): Promise<void> {
    const bytes = chunks.reduce((sum, each) => sum + each.byteLength, 0);
    try {
      await writeAll(this.#handle, chunks, start);
      await this.#journal.add({ start, end: start + bytes });
    } catch (error) {
      throw ioError(error, this.#path);
    }
    this.#tell();
    this.#unsynced += bytes;
    if (this.#unsynced < SYNC_BYTES || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    // An error here occurs again in the last sync, which is awaited.
    this.#syncing = this.#handle
      .datasync()
      .catch(() => {})
      .then(() => {
        this.#syncing = undefined;
      });
  }

  /** Verifies the blob and makes it durable. @throws StowageError `source-mismatch` */
  async finish(): Promise<{ digest: Digest; sums: BlobSums }> {
    const { size } = this.#expected;
    this.#finished = true;
    try {
      await this.#handle.truncate(size);
      const [{ identity, sums }] = await Promise.all([
        this.#following.finish(size),
        this.#handle.sync(),
      ]);
      return { digest: checkIdentity(this.#expected, identity, size), sums };
    } catch (error) {
      throw ioError(error, this.#path);
    }
  }

  /** Closes the files; received bytes are kept for another run. */
  async close(): Promise<void> {
    if (!this.#finished) await this.#following.drop();
    await this.#syncing;
    await this.#journal.close();
    await this.#handle.close();
  }

  /** Tells the hashing threads how far the file has no gap, in steps of their buffer. */
  #tell(): void {
    const { frontier } = this.#journal.spans;
    if (frontier < this.#told + CRC_SPAN_BYTES) return;
    this.#told = frontier;
    this.#following.reached(frontier);
  }
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

async function writeAll(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  start: number,
): Promise<void> {
  let rest = [...chunks];
  let position = start;
  while (rest[0] !== undefined) {
    const { length } = rest;
    let { bytesWritten } = await (length === 1
      ? handle.write(rest[0], 0, rest[0].byteLength, position)
      : handle.writev(rest, position));
    position += bytesWritten;
    while (rest[0] !== undefined && bytesWritten >= rest[0].byteLength) {
      bytesWritten -= rest[0].byteLength;
      rest = rest.slice(1);
    }
    if (rest[0] !== undefined && bytesWritten > 0) rest[0] = rest[0].subarray(bytesWritten);
  }
}

/**
 * Writes sequential bytes to the partial file of a blob, hashing each buffer on this thread.
 * @param from opens the bytes from an offset; called once, with the number of bytes already received
 * @throws StowageError `source-mismatch` (nothing is kept), or what `from` throws (received bytes are kept)
 */
export async function receiveInOrder(
  folder: string,
  expected: Expected,
  from: (offset: number) => Promise<AsyncIterable<Uint8Array>>,
  { onBytes, partSize }: { readonly onBytes: OnBytes; readonly partSize: number | undefined },
): Promise<{ digest: Digest; sums: BlobSums }> {
  const { partial, journal } = incomingPaths(folder, expected.key);
  const hashes = new RunningHashes(expected, partSize);
  const handle = await openPartial(partial);
  try {
    await hashes.replay(partial, await resumableSize(handle, journal, expected));
    onBytes(hashes.bytes, true);
    if (hashes.bytes !== expected.size) {
      for await (const chunk of await from(hashes.bytes)) {
        await writeAll(handle, [chunk], hashes.bytes);
        hashes.update(chunk);
        onBytes(chunk.byteLength);
        if (hashes.bytes > (expected.size ?? MAX_UNKNOWN_BYTES)) break;
      }
    }
    if (hashes.bytes < (expected.size ?? 0)) throw short(expected, hashes.bytes);
    const digest = hashes.finish();
    await handle.sync();
    return { digest, sums: hashes.sums() };
  } catch (error) {
    if (isMismatch(error)) {
      await removeIncoming(folder, expected.key);
      onBytes(-hashes.bytes);
    }
    throw ioError(error, partial);
  } finally {
    await handle.close();
  }
}

/** Whether an error says that the bytes are not the requested ones. */
export function isMismatch(error: unknown): boolean {
  return error instanceof StowageError && error.code === 'source-mismatch';
}

async function openPartial(path: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    const handle = await open(path, flags, 0o644);
    await setMode(handle, 0o644);
    return handle;
  } catch (error) {
    throw ioError(error, path);
  }
}

// A partial file that is too long, or whose source may have changed, is started again.
async function resumableSize(
  handle: FileHandle,
  journal: string,
  expected: Expected,
): Promise<number> {
  const { size } = await handle.stat();
  let usable = expected.resume !== false && size <= (expected.size ?? 0) ? size : 0;
  const spans = await readSpans(journal, size);
  if (spans !== undefined) usable = Math.min(usable, spans.frontier);
  if (usable < size) await handle.truncate(usable);
  if (spans !== undefined) await remove(journal);
  return usable;
}

function short(expected: Expected, found: number): StowageError {
  return new StowageError(
    'source-unreachable',
    `the download of ${expected.label ?? expected.key} ended early`,
    {
      expected: counted(expected.size ?? 0, 'byte'),
      found: counted(found, 'byte'),
      hint: 'run the same command again: it resumes where it stopped',
    },
  );
}
