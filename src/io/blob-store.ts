import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex, digestOf } from '../core/digest.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { MAX_UNKNOWN_BYTES } from '../core/limits.ts';
import {
  ioError,
  makeFolder,
  makeReadOnly,
  readBounded,
  remove,
  reveal,
  writeAtomic,
} from './file.ts';
import { type BlobSums, type Expected, RunningHashes } from './running-hashes.ts';

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
