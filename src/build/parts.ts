import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { KIB } from '../core/limits.ts';
import type { BundleBlob } from '../format/bundle.ts';
import type { LockedBlob } from '../format/lock.ts';
import { type Part, partPath } from '../format/part.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { ioError } from '../io/file.ts';
import type { HashTask, Piece, PieceSums } from '../io/hash-task.ts';
import type { HashPool } from '../io/hashing.ts';
import { PassError } from '../io/positioned.ts';
import { syncFiles } from '../io/sync-files.ts';

/** A slice of a blob on the grid of parts. */
interface Slice {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/**
 * Copies a blob of the store into a bundle as parts, hashing what is written; small ones are not synced yet. Parts on the grid that the pull
 * noted are copied side by side and compared with what was noted; any other grid is one pass that checks the
 * blob's SHA-256.
 * @param partSize bytes; 0 for whole blobs
 * @throws StowageError `blob-damaged`, `space-insufficient`, `io-failed`
 */
export async function copyParts(
  blob: LockedBlob,
  partSize: number,
  store: BlobStore,
  folder: string,
  pool: HashPool,
  onBytes: (bytes: number) => void,
): Promise<BundleBlob> {
  const slices = sliceBlob(blob, partSize);
  const noted = await store.sums(blob.digest);
  const source = { path: store.path(blob.digest), size: blob.size };
  const run = async (task: HashTask): Promise<{ sha256: string; pieces: readonly PieceSums[] }> => {
    try {
      return await pool.run(task, onBytes);
    } catch (error) {
      throw passFailure(error, source.path);
    }
  };
  let sums: readonly PieceSums[];
  if (
    noted !== undefined &&
    (noted.partSize === partSize || (slices.length === 1 && noted.parts.length === 1))
  ) {
    const results = await Promise.all(
      slices.map((slice) =>
        run({
          ...source,
          offset: slice.offset,
          pieces: [toPiece(slice, folder)],
          sha256: false,
          crc32: true,
        }),
      ),
    );
    sums = results.flatMap((result) => result.pieces);
    sums.forEach((sum, index) => {
      if (sum.sha512 !== noted.parts[index]?.sha512)
        throw damaged(source.path, noted.parts[index]?.sha512 ?? '', sum.sha512);
    });
  } else {
    const pieces = slices.map((slice) => toPiece(slice, folder));
    const result = await run({ ...source, offset: 0, pieces, sha256: true, crc32: true });
    if (result.sha256 !== digestHex(blob.digest))
      throw damaged(source.path, blob.digest, `sha256:${result.sha256}`);
    sums = result.pieces;
  }
  return {
    digest: blob.digest,
    size: blob.size,
    parts: slices.map((slice, index) => toPart(slice, sums[index])),
  };
}

/** Parts of at most so many bytes are synced together, by {@link syncSmallParts}. */
const SMALL_BYTES: number = 256 * KIB;

function isSmall({ size }: Pick<Slice, 'size'>): boolean {
  return size <= SMALL_BYTES;
}

/** Has on disk what {@link copyParts} left in memory. */
export async function syncSmallParts(blobs: readonly BundleBlob[], folder: string): Promise<void> {
  const small = blobs.flatMap(({ parts }) => parts).filter(isSmall);
  await syncFiles(
    folder,
    small.map(({ path }) => join(folder, path)),
  );
}

/** Makes the folder that parts lie in. */
export async function makePartFolder(folder: string): Promise<void> {
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
}

/** A blob on the grid of parts. @param partSize bytes; 0 for whole blobs */
export function sliceBlob(blob: Pick<LockedBlob, 'digest' | 'size'>, partSize: number): Slice[] {
  const hex = digestHex(blob.digest);
  if (partSize === 0 || blob.size <= partSize)
    return [{ path: partPath(hex), offset: 0, size: blob.size }];
  return Array.from({ length: Math.ceil(blob.size / partSize) }, (_, index) => ({
    path: partPath(hex, index),
    offset: index * partSize,
    size: Math.min(partSize, blob.size - index * partSize),
  }));
}

function toPiece(slice: Slice, folder: string): Piece {
  return {
    length: slice.size,
    destination: {
      ...{ path: join(folder, slice.path), offset: 0, create: true },
      ...(isSmall(slice) ? { unsynced: true } : {}),
    },
  };
}

function toPart(slice: Slice, sums: PieceSums | undefined): Part {
  if (sums === undefined) throw new Error('a part without sums');
  return { ...slice, sha512: sums.sha512, crc32: sums.crc32 };
}

function passFailure(error: unknown, source: string): unknown {
  if (!(error instanceof PassError)) return error;
  if (error.path === source && ['ESIZE', 'ESHORT', 'EKIND'].includes(error.code)) {
    return damaged(source, 'the size that the lock says', error.message);
  }
  return ioError(error, error.path);
}

function damaged(path: string, expected: string, found: string): StowageError {
  return new StowageError('blob-damaged', `the stored blob ${path} changed since it was pulled`, {
    expected,
    found,
    hint: 'remove that file and run pack again, so that it is fetched anew; check the disk',
  });
}
