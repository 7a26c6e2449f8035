import { createHash, type Hash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Digest, digestFromHex, digestHex, digestOf, sriFromHex } from '../core/digest.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { CRC_SPAN_BYTES, DEFAULT_PART_BYTES, GIB } from '../core/limits.ts';
import {
  ioError,
  makeFolder,
  makeReadOnly,
  readBounded,
  remove,
  reveal,
  writeAtomic,
} from './file.ts';
import type { PieceSums } from './hash-task.ts';

/** The most that a source may send which did not say how much it has. */
const MAX_UNKNOWN_BYTES = 64 * GIB;

/** What is known of bytes before they arrive. */
export interface Expected {
  /** A name for the unfinished file: the digest's hex, or whatever else tells these bytes from others. */
  readonly key: string;
  /** What these bytes are, for messages: `model chat: tiny.gguf`. */
  readonly label?: string;
  /** Bytes; absent when only the source's end tells. */
  readonly size?: number;
  readonly digest?: Digest;
  /** Whether bytes left by an earlier attempt can be the beginning of these; true unless said otherwise. */
  readonly resume?: boolean;
  /** Another hash that the bytes must have, fed with all of them. */
  readonly check?: { readonly hash: Hash; readonly expected: string; readonly name: string };
}

/** The SHA-512 and CRCs of a blob on the default grid of parts, noted while it was pulled. */
export interface BlobSums {
  readonly partSize: number;
  readonly parts: readonly PieceSums[];
}

/** Blobs by SHA-256 in a folder: `blobs/sha256/<hex>`, read-only once they have their name. */
export class BlobStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Where a blob lies, or will. */
  path(digest: Digest): string {
    return join(this.root, 'blobs', 'sha256', digestHex(digest));
  }

  /** The size of a blob that is there, or undefined. */
  async size(digest: Digest): Promise<number | undefined> {
    try {
      const status = await lstat(this.path(digest));
      return status.isFile() ? status.size : undefined;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw ioError(error, this.path(digest));
    }
  }

  /** A small blob whole, its digest checked. @throws StowageError `blob-damaged`, `file-missing` */
  async read(digest: Digest, maxBytes: number): Promise<Buffer> {
    const bytes = await readBounded(this.path(digest), maxBytes);
    const found = digestOf(bytes);
    if (found !== digest) throw damaged(this.path(digest), digest, found);
    return bytes;
  }

  /** Keeps small bytes and tells their digest. */
  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    if ((await this.size(digest)) === bytes.byteLength) return digest;
    await makeFolder(join(this.root, 'blobs', 'sha256'));
    await writeAtomic(this.path(digest), bytes, 0o444);
    return digest;
  }

  /** The sums noted when the blob came in, or undefined. */
  async sums(digest: Digest): Promise<BlobSums | undefined> {
    try {
      const text = await readBounded(this.#sumsPath(digest), 64 * 1024 * 1024);
      return JSON.parse(text.toString('utf8')) as BlobSums;
    } catch (error) {
      if (error instanceof StowageError && error.code === 'file-missing') return undefined;
      // A note cut short is no note: whoever needs the sums hashes the blob again.
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /**
   * Receives a blob: goes on with what an earlier attempt left, hashes while writing, and gives the blob its name
   * only when every hash is right.
   * @param from opens the bytes from an offset; asked once, with the bytes already there
   * @param onBytes hears of bytes as they are written; negative when they turn out wrong
   * @throws StowageError `source-mismatch` (and nothing is left), or what `from` throws (and what came is kept)
   */
  async receive(
    expected: Expected,
    from: (offset: number) => Promise<AsyncIterable<Uint8Array>>,
    onBytes: (bytes: number) => void = () => {},
  ): Promise<Digest> {
    const partial = join(this.root, 'incoming', `${expected.key}.partial`);
    await makeFolder(join(this.root, 'incoming'));
    await makeFolder(join(this.root, 'blobs', 'sha256'));
    const hashes = new RunningHashes(expected);
    const handle = await openPartial(partial);
    let keep = true;
    try {
      await hashes.replay(partial, await resumableSize(handle, expected));
      onBytes(hashes.bytes);
      if (hashes.bytes !== expected.size) {
        for await (const chunk of await from(hashes.bytes)) {
          await writeAll(handle, chunk, hashes.bytes);
          hashes.update(chunk);
          onBytes(chunk.byteLength);
          if (hashes.bytes > (expected.size ?? MAX_UNKNOWN_BYTES)) break;
        }
      }
      if (hashes.bytes < (expected.size ?? 0)) throw short(expected, hashes.bytes);
      const digest = hashes.finish();
      await handle.sync();
      await this.#admit(partial, digest, hashes.sums());
      keep = false;
      return digest;
    } catch (error) {
      if (error instanceof StowageError && error.code === 'source-mismatch') {
        keep = false;
        onBytes(-hashes.bytes);
      }
      throw ioError(error, partial);
    } finally {
      await handle.close();
      if (!keep) await remove(partial);
    }
  }

  /** Gives a finished, verified file its name in the store; the file must lie on the store's file system. */
  async adopt(path: string, digest: Digest): Promise<void> {
    await makeFolder(join(this.root, 'blobs', 'sha256'));
    await makeReadOnly(path);
    await reveal(path, this.path(digest));
  }

  async #admit(partial: string, digest: Digest, sums: BlobSums): Promise<void> {
    await makeFolder(join(this.root, 'sums'));
    await writeAtomic(this.#sumsPath(digest), Buffer.from(JSON.stringify(sums)));
    // Over what may lie there: this one is verified, that one may be damaged.
    await this.adopt(partial, digest);
  }

  #sumsPath(digest: Digest): string {
    return join(this.root, 'sums', `${digestHex(digest)}.json`);
  }
}

/** Every hash that a blob needs, on one buffer at a time. */
class RunningHashes {
  bytes = 0;
  readonly #expected: Expected;
  readonly #sha256 = createHash('sha256');
  readonly #parts: PieceSums[] = [];
  #sha512 = createHash('sha512');
  #crcs = '';
  #crc = 0;

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  async replay(path: string, size: number): Promise<void> {
    if (size === 0) return;
    for await (const chunk of createReadStream(path, {
      end: size - 1,
      highWaterMark: CRC_SPAN_BYTES,
    })) {
      this.update(chunk as Buffer);
    }
  }

  update(chunk: Uint8Array): void {
    this.#sha256.update(chunk);
    this.#expected.check?.hash.update(chunk);
    for (let from = 0; from < chunk.byteLength; ) {
      const untilSpan = CRC_SPAN_BYTES - (this.bytes % CRC_SPAN_BYTES);
      const slice = chunk.subarray(from, from + untilSpan);
      this.#sha512.update(slice);
      this.#crc = crc32(slice, this.#crc);
      this.bytes += slice.byteLength;
      from += slice.byteLength;
      if (this.bytes % CRC_SPAN_BYTES === 0) this.#endSpan();
      if (this.bytes % DEFAULT_PART_BYTES === 0) this.#endPart();
    }
  }

  /** @throws StowageError `source-mismatch` */
  finish(): Digest {
    const { size, digest, check } = this.#expected;
    if (size !== undefined && this.bytes !== size) {
      throw mismatch(this.#expected, `${size} bytes`, `${this.bytes} bytes or more`);
    }
    const found = digestFromHex(this.#sha256.digest('hex'));
    if (digest !== undefined && digest !== found) throw mismatch(this.#expected, digest, found);
    if (check !== undefined) {
      const hex = check.hash.digest('hex');
      if (hex !== check.expected) {
        throw mismatch(this.#expected, `${check.name} ${check.expected}`, `${check.name} ${hex}`);
      }
    }
    if (this.bytes % CRC_SPAN_BYTES !== 0) this.#endSpan();
    if (this.bytes % DEFAULT_PART_BYTES !== 0 || this.bytes === 0) this.#endPart();
    return found;
  }

  sums(): BlobSums {
    return { partSize: DEFAULT_PART_BYTES, parts: this.#parts };
  }

  #endSpan(): void {
    this.#crcs += this.#crc.toString(16).padStart(8, '0');
    this.#crc = 0;
  }

  #endPart(): void {
    this.#parts.push({ sha512: sriFromHex(this.#sha512.digest('hex')), crc32: this.#crcs });
    this.#sha512 = createHash('sha512');
    this.#crcs = '';
  }
}

async function openPartial(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  } catch (error) {
    throw ioError(error, path);
  }
}

// What is longer than it can be, or may have changed since, is begun anew.
async function resumableSize(handle: FileHandle, expected: Expected): Promise<number> {
  const { size } = await handle.stat();
  if (expected.resume !== false && size <= (expected.size ?? 0)) return size;
  await handle.truncate(0);
  return 0;
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < chunk.byteLength; ) {
    const { bytesWritten } = await handle.write(
      chunk,
      written,
      chunk.byteLength - written,
      position + written,
    );
    written += bytesWritten;
  }
}

function mismatch(expected: Expected, wanted: string, found: string): StowageError {
  return new StowageError(
    'source-mismatch',
    `what was served for ${expected.label ?? expected.key} is not what was asked for`,
    {
      expected: wanted,
      found,
      hint: 'try again; if it stays so, the source changed or something between alters what it serves',
    },
  );
}

function short(expected: Expected, found: number): StowageError {
  return new StowageError(
    'source-unreachable',
    `the source of ${expected.label ?? expected.key} ended early`,
    {
      expected: `${expected.size} bytes`,
      found: `${found} bytes`,
      hint: 'run the same command again; it goes on where it stopped',
    },
  );
}

function damaged(path: string, expected: Digest, found: Digest): StowageError {
  return new StowageError('blob-damaged', `the stored blob ${path} is damaged`, {
    expected,
    found,
    hint: 'remove that file and run the command again, so that it is fetched anew',
  });
}
