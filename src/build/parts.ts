import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SizedBlob } from '../content/content-kind.ts';
import { digestHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { KIB } from '../core/limits.ts';
import type { BundleBlob } from '../format/bundle.ts';
import { partPath } from '../format/part.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { ioError } from '../io/file.ts';
import {
  type BlobSums,
  type HashResult,
  type HashTask,
  type Piece,
  type PieceSums,
  wholeSums,
} from '../io/hash-task.ts';
import type { HashPool } from '../io/hashing.ts';
import type { NotedSums } from '../io/noted-sums.ts';
import { PassError } from '../io/positioned.ts';
import { syncFiles } from '../io/sync-files.ts';

/** A slice of a blob on the grid of parts. */
interface Slice {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/**
 * Copies a blob of the store into a bundle as parts; small ones are not synced yet. Where the sums of this grid were
 * noted and nobody touched the blob since, only its CRCs are compared, on the very bytes that are written. Else every
 * sum is computed of what is written, and noted.
 * @param partSize bytes; 0 for whole blobs
 * @throws StowageError `blob-damaged`, `space-insufficient`, `io-failed`
 */
export async function copyParts(
  blob: SizedBlob,
  partSize: number,
  store: BlobStore,
  folder: string,
  pool: HashPool,
  onBytes: (bytes: number) => void,
): Promise<BundleBlob> {
  const slices = sliceBlob(blob, partSize);
  const copy = { slices, folder, path: store.path(blob.digest), size: blob.size, pool, onBytes };
  const noted = await store.noted(blob);
  const fits = noted !== undefined && isOnGrid(noted.sums, partSize, slices);
  const sums = fits ? await copyNoted(noted, copy) : await copyHashed(blob, copy);
  if (!fits || !noted.untouched) await store.note(blob, { partSize, parts: sums });
  else if ((await store.noted(blob))?.untouched !== true) throw touched(copy.path);
  return {
    digest: blob.digest,
    size: blob.size,
    parts: slices.map((slice, index) => ({ ...slice, ...wholeSums(sums[index]) })),
  };
}

interface Copy {
  readonly slices: readonly Slice[];
  readonly folder: string;
  /** The blob's file. */
  readonly path: string;
  readonly size: number;
  readonly pool: HashPool;
  readonly onBytes: (bytes: number) => void;
}

function isOnGrid(sums: BlobSums, partSize: number, slices: readonly Slice[]): boolean {
  return sums.partSize === partSize || (slices.length === 1 && sums.parts.length === 1);
}

/** Copies parts side by side and holds them against what was noted. */
async function copyNoted(
  { sums, untouched }: NotedSums,
  copy: Copy,
): Promise<readonly PieceSums[]> {
  const { slices, folder, path } = copy;
  const results = await Promise.all(
    slices.map((slice) =>
      run(copy, {
        offset: slice.offset,
        pieces: [toPiece(slice, folder)],
        hashes: untouched ? ['crc32'] : ['crc32', 'sha512'],
      }),
    ),
  );
  results.forEach(({ pieces: [found] }, index) => {
    const { sha512, crc32 } = wholeSums(sums.parts[index]);
    if (found?.crc32 !== crc32) throw damaged(path, `CRC-32 ${crc32}`, String(found?.crc32));
    if (!untouched && found.sha512 !== sha512) throw damaged(path, sha512, String(found.sha512));
  });
  return sums.parts;
}

/** Copies parts one after the other, so that the blob's own digest is checked on the way. */
async function copyHashed({ digest }: SizedBlob, copy: Copy): Promise<readonly PieceSums[]> {
  const pieces = copy.slices.map((slice) => toPiece(slice, copy.folder));
  const result = await run(copy, { offset: 0, pieces, hashes: ['sha256', 'sha512', 'crc32'] });
  const found = `sha256:${result.sha256}`;
  if (found !== digest) throw damaged(copy.path, digest, found);
  return result.pieces.map(wholeSums);
}

async function run(
  { path, size, pool, onBytes }: Copy,
  task: Omit<HashTask, 'path' | 'size'>,
): Promise<HashResult> {
  try {
    return await pool.run({ path, size, ...task }, onBytes);
  } catch (error) {
    throw passFailure(error, path);
  }
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
export function sliceBlob(blob: SizedBlob, partSize: number): Slice[] {
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

function touched(path: string): StowageError {
  return new StowageError('blob-damaged', `the stored blob ${path} changed while it was packed`, {
    expected: 'a store that nobody else writes to',
    found: 'another time of change',
    hint: 'run pack again: it hashes the blob anew',
  });
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
