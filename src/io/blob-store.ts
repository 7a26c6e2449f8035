import { lstat, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { OnBytes } from '../core/context.ts';
import { type Digest, digestHex, digestOf, parseDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import {
  ioError,
  makeReadOnly,
  namesIn,
  readBounded,
  readIfThere,
  remove,
  statusOf,
  syncFolder,
  writeAtomic,
} from './file.ts';
import { makeFolder } from './folder.ts';
import type { FollowPool } from './follow-pool.ts';
import type { BlobSums } from './hash-task.ts';
import {
  Incoming,
  incomingPaths,
  isMismatch,
  removeIncoming,
  type SizedExpected,
} from './incoming.ts';
import { inTurn, type LockWait } from './lock-file.ts';
import {
  type FileMark,
  markOf,
  NOTED_FROM_BYTES,
  type NotedSums,
  readFact,
  readNote,
  writeFact,
  writeNote,
} from './noted-sums.ts';
import { forEachBounded } from './queue.ts';
import { receiveInOrder } from './receive-in-order.ts';
import type { Expected } from './running-hashes.ts';

export interface ReceiveOptions extends LockWait {
  /** Called with the bytes written since the last call; negative to take back bytes that were wrong. */
  readonly onBytes?: OnBytes;
  /** The part size for which sums of a blob received in order are recorded, in bytes; 0 for whole blobs. */
  readonly partSize?: number;
  /** Whether bytes of a blob received in ranges are written past the page cache where that costs nothing. */
  readonly uncached?: boolean;
}

/** A blob, and its size in bytes. */
interface SizedBlob {
  readonly digest: Digest;
  readonly size: number;
}

const ADOPTED_AT_ONCE = 4;

const ignore = (): undefined => {};

/** Blobs by SHA-256 in a folder: `blobs/sha256/<hex>`, read-only from the moment they have that name. */
export class BlobStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** The path of a blob, whether it exists or not. */
  path(digest: Digest): string {
    return join(this.root, 'blobs', 'sha256', digestHex(digest));
  }

  /** The size of a blob; undefined if it is not in the store. */
  async size(digest: Digest): Promise<number | undefined> {
    const status = await statusOf(this.path(digest));
    return status?.isFile() === true ? Number(status.size) : undefined;
  }

  /** Every blob in the store, with its size. */
  async *all(): AsyncIterable<{ readonly digest: Digest; readonly size: number }> {
    const folder = join(this.root, 'blobs', 'sha256');
    for (const name of await namesIn(folder)) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const digest = parseDigest(`sha256:${name}`);
      const size = await this.size(digest);
      if (size !== undefined) yield { digest, size };
    }
  }

  /** Removes a blob and its recorded sums. */
  async forget(digest: Digest): Promise<void> {
    const sums = join(this.root, 'sums');
    for (const name of await namesIn(sums))
      if (name.startsWith(digestHex(digest))) await remove(join(sums, name));
    await remove(this.path(digest));
  }

  /** Reads a small blob into memory and verifies its digest. @throws StowageError `blob-damaged`, `file-missing` */
  async read(digest: Digest, maxBytes: number): Promise<Buffer> {
    const bytes = await readBounded(this.path(digest), maxBytes);
    const found = digestOf(bytes);
    if (found !== digest) throw damaged(this.path(digest), digest, found);
    return bytes;
  }

  /** Stores bytes in memory as a blob. @returns their digest */
  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    const there = await readIfThere(this.path(digest), bytes.byteLength).catch(ignore);
    if (there?.equals(bytes) === true) return digest;
    await makeFolder(join(this.root, 'blobs', 'sha256'));
    await writeAtomic(this.path(digest), bytes, 0o444);
    return digest;
  }

  /** The recorded sums of a blob in the store, or undefined. */
  async noted({ digest, size }: SizedBlob): Promise<NotedSums | undefined> {
    if (size <= NOTED_FROM_BYTES) return undefined;
    return readNote(this.#sumsPath(digest), this.path(digest));
  }

  /**
   * Records the sums of a blob in the store, unless it is small.
   * @param mark of its file before it was hashed; by default, as it is now
   */
  async note({ digest, size }: SizedBlob, sums: BlobSums, mark?: FileMark): Promise<void> {
    if (size <= NOTED_FROM_BYTES) return;
    await writeNote(this.#sumsPath(digest), sums, mark ?? (await markOf(this.path(digest))));
  }

  /** Removes the recorded sums of a blob, so that it is hashed before it is next used. */
  async unnote(digest: Digest): Promise<void> {
    await remove(this.#sumsPath(digest));
  }

  /**
   * Runs work that adds or removes hard links to these blobs, and renews their records: a link changes the ctime of a
   * file that is otherwise unchanged. A blob that was written to meanwhile keeps its old record, and is hashed again.
   */
  async linking<T>(blobs: readonly SizedBlob[], work: () => Promise<T>): Promise<T> {
    const before: (readonly [SizedBlob, NotedSums, string])[] = [];
    for (const blob of blobs) {
      const noted = await this.noted(blob).catch(ignore);
      if (noted?.untouched === true)
        before.push([blob, noted, await contentMark(this.path(blob.digest))]);
    }
    try {
      return await work();
    } finally {
      for (const [blob, { sums }, mark] of before)
        if ((await contentMark(this.path(blob.digest))) === mark)
          // Who cannot write records goes on without: the blob is hashed again.
          await this.note(blob, sums).catch(ignore);
    }
  }

  /**
   * What is recorded about a blob's content under a name; undefined unless its sums prove that the file was verified,
   * and has not changed since.
   */
  async fact(blob: SizedBlob, name: string): Promise<object | undefined> {
    if (!(await this.#isUntouched(blob))) return undefined;
    return readFact(this.#factPath(blob.digest, name), this.path(blob.digest));
  }

  /** Records something about a blob's content, unless it is small or {@link fact} would not return it. */
  async noteFact(blob: SizedBlob, name: string, fact: object): Promise<void> {
    if (!(await this.#isUntouched(blob))) return;
    await writeFact(this.#factPath(blob.digest, name), this.path(blob.digest), fact);
  }

  /** The blob about which a fact of this name is recorded, as {@link fact} would return it. */
  async blobWith(name: string): Promise<SizedBlob | undefined> {
    const end = `.${name}.json`;
    for (const file of await namesIn(join(this.root, 'sums'))) {
      const hex = file.slice(0, -end.length);
      if (!file.endsWith(end) || !/^[0-9a-f]{64}$/.test(hex)) continue;
      const digest = parseDigest(`sha256:${hex}`);
      const size = await this.size(digest);
      if (size !== undefined && (await this.fact({ digest, size }, name)) !== undefined)
        return { digest, size };
    }
    return undefined;
  }

  async #isUntouched(blob: SizedBlob): Promise<boolean> {
    if ((await this.size(blob.digest)) !== blob.size) return false;
    return (await this.noted(blob))?.untouched === true;
  }

  /**
   * Receives a blob: resumes an earlier attempt, hashes while writing, and gives the blob its name only if every hash
   * matches. Other requests for the same blob wait, also in other processes.
   * @param from opens the bytes from an offset; called once, with the number of bytes already received
   * @throws StowageError `source-mismatch` (nothing is kept), or what `from` throws (received bytes are kept)
   */
  async receive(
    expected: Expected,
    from: (offset: number) => Promise<AsyncIterable<Uint8Array>>,
    options: ReceiveOptions | ReceiveOptions['onBytes'] = {},
  ): Promise<Digest> {
    const {
      onBytes = ignore,
      partSize,
      ...patience
    } = typeof options === 'function' ? { onBytes: options } : options;
    return this.#inTurn(expected, patience, onBytes, async (folder) => {
      const received = await receiveInOrder(folder, expected, from, { onBytes, partSize });
      await this.#admit(folder, expected.key, received);
      return received.digest;
    });
  }

  /**
   * Receives a blob, as {@link receive} does, from several ranges at once. If the bytes of an earlier attempt were wrong
   * they are discarded, and everything is requested again.
   * @param fill writes the missing ranges; called a second time in that case
   */
  async receiveParts(
    expected: SizedExpected,
    fill: (incoming: Incoming) => Promise<void>,
    pool: FollowPool,
    options: ReceiveOptions = {},
  ): Promise<Digest> {
    const { onBytes = ignore, uncached = false, ...patience } = options;
    return this.#inTurn(expected, patience, onBytes, async (folder) => {
      for (;;) {
        const incoming = await Incoming.open(folder, expected, pool, { uncached });
        try {
          onBytes(incoming.resumed, true);
          await fill(incoming);
          const received = await incoming.finish();
          await this.#admit(folder, expected.key, received);
          return received.digest;
        } catch (error) {
          if (!isMismatch(error)) throw error;
          onBytes(-expected.size);
          await removeIncoming(folder, expected.key);
          if (incoming.resumed === 0) throw error;
        } finally {
          await incoming.close();
        }
      }
    });
  }

  /** Bytes on disk of an incomplete blob. */
  async incomingBytes(key: string): Promise<number> {
    const status = await statusOf(incomingPaths(this.#incoming, key).partial);
    return Number(status?.blocks ?? 0) * 512;
  }

  /** Moves a finished, verified file into the store; it must be on the same file system. */
  async adopt(path: string, digest: Digest): Promise<void> {
    await this.adoptAll([{ path, digest }]);
  }

  /** {@link adopt} for many files at once. */
  async adoptAll(files: readonly { path: string; digest: Digest }[]): Promise<void> {
    if (files.length === 0) return;
    const folder = join(this.root, 'blobs', 'sha256');
    await makeFolder(folder);
    await forEachBounded(files, ADOPTED_AT_ONCE, async ({ path, digest }) => {
      try {
        await makeReadOnly(path);
        await rename(path, this.path(digest));
      } catch (error) {
        throw ioError(error, path);
      }
    });
    await syncFolder(folder);
  }

  get #incoming(): string {
    return join(this.root, 'incoming');
  }

  async #inTurn(
    expected: Expected,
    patience: LockWait,
    onBytes: OnBytes,
    work: (folder: string) => Promise<Digest>,
  ): Promise<Digest> {
    await makeFolder(this.#incoming);
    await makeFolder(join(this.root, 'blobs', 'sha256'));
    let waited = false;
    const onWait = (pid: number): void => {
      waited = true;
      patience.onWait?.(pid);
    };
    const lock = join(this.#incoming, `${expected.key}.lock`);
    return inTurn(lock, { ...patience, onWait }, async () => {
      const { digest, size } = expected;
      if (waited && digest !== undefined && size !== undefined) {
        if ((await this.size(digest)) === size) {
          onBytes(size, true);
          return digest;
        }
      }
      return work(this.#incoming);
    });
  }

  async #admit(
    folder: string,
    key: string,
    { digest, sums }: { digest: Digest; sums: BlobSums },
  ): Promise<void> {
    // Replaces an existing file: this one is verified, that one may be damaged.
    const { partial, journal } = incomingPaths(folder, key);
    await this.adopt(partial, digest);
    await remove(journal);
    const size = await this.size(digest);
    if (size !== undefined) await this.note({ digest, size }, sums);
  }

  #factPath(digest: Digest, name: string): string {
    return join(this.root, 'sums', `${digestHex(digest)}.${name}.json`);
  }

  #sumsPath(digest: Digest): string {
    return join(this.root, 'sums', `${digestHex(digest)}.json`);
  }
}

/** Changes when the content of a file does, not when its links do. */
async function contentMark(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await lstat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return 'gone';
  }
}

function damaged(path: string, expected: Digest, found: Digest): StowageError {
  return new StowageError('blob-damaged', `the stored blob ${path} is damaged`, {
    expected,
    found,
    hint: 'at a site, run stowage store verify --repair MEDIUM; on the connected side, remove that file and run the command again, which downloads it again',
  });
}
