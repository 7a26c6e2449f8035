import { join } from 'node:path';
import type { SizedBlob } from '../content/content-kind.ts';
import type { Sri } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { KIB } from '../core/limits.ts';
import type { BundleBlob } from '../format/bundle.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { ioError } from '../io/file.ts';
import { makeFolder, syncFiles } from '../io/folder.ts';
import {
  type HashResult,
  type HashTask,
  type Piece,
  type PieceSums,
  wholeSums,
} from '../io/hash-task.ts';
import type { HashPool } from '../io/hashing.ts';
import type { NotedSums } from '../io/noted-sums.ts';
import { PassError } from '../io/positioned.ts';
import { recordedSums, type Slice, sliceBlob } from './part-sums.ts';

export interface CopyPartsOptions {
  /** Part size in bytes; 0 to keep blobs whole. */
  readonly partSize: number;
  readonly store: BlobStore;
  /** The bundle's folder. */
  readonly folder: string;
  readonly pool: HashPool;
  readonly onBytes: (bytes: number) => void;
  /** Absent if all parts are written. */
  readonly omit?: OmittedParts;
}

/** The parts of a blob that are not written. */
export interface OmittedParts {
  readonly has: (sha512: Sri) => boolean;
  /** Whether they are read and compared all the same. Otherwise they are read only if no checksums are recorded, or the blob has changed since. */
  readonly verify: boolean;
}

/**
 * Copies a blob from the store into a bundle as parts; small parts are not synced yet. If checksums for this part size
 * are recorded and the blob has not changed since, only the CRCs of the written bytes are compared. Otherwise all
 * checksums are computed from the written bytes and recorded.
 * @throws StowageError `blob-damaged`, `space-insufficient`, `io-failed`
 */
export async function copyParts(
  blob: SizedBlob,
  { partSize, store, folder, pool, onBytes, omit }: CopyPartsOptions,
): Promise<BundleBlob> {
  const slices = sliceBlob(blob, partSize);
  const path = store.path(blob.digest);
  const copy = { slices, folder, path, size: blob.size, pool, onBytes };
  const noted = await recordedSums(blob, { store, partSize });
  if (omit !== undefined) {
    const recorded = noted?.untouched === true ? noted.sums.parts : undefined;
    return described(
      blob,
      slices,
      await copySome(blob, recorded, { ...copy, ...{ omit, store, partSize } }),
    );
  }
  const sums = noted === undefined ? await copyHashed(blob, copy) : await copyNoted(noted, copy);
  if (noted?.untouched !== true) await store.note(blob, { partSize, parts: sums });
  else if ((await store.noted(blob))?.untouched !== true) throw touched(copy.path);
  return described(blob, slices, sums);
}

function described(
  { digest, size }: SizedBlob,
  slices: readonly Slice[],
  sums: readonly PieceSums[],
): BundleBlob {
  const parts = slices.map((slice, index) => ({ ...slice, ...wholeSums(sums[index]) }));
  return { digest, size, parts };
}

/**
 * The sums of the parts of a blob: the recorded ones if it has not changed since, or else those of its bytes, which are recorded.
 * @throws StowageError `blob-damaged`, `io-failed`
 */
export async function partSums(
  blob: SizedBlob,
  { store, partSize, pool }: Pick<CopyPartsOptions, 'store' | 'partSize' | 'pool'>,
): Promise<readonly PieceSums[]> {
  const recorded = await recordedSums(blob, { store, partSize });
  if (recorded?.untouched === true) return recorded.sums.parts;
  const path = store.path(blob.digest);
  const slices = sliceBlob(blob, partSize);
  const sums = await hashWhole(blob, { slices, path, size: blob.size, pool });
  await store.note(blob, { partSize, parts: sums });
  return sums;
}

interface Source {
  /** The blob's file. */
  readonly path: string;
  readonly size: number;
  readonly pool: HashPool;
  readonly onBytes: (bytes: number) => void;
}

interface Copy extends Source {
  readonly slices: readonly Slice[];
  readonly folder: string;
}

/** Parts whose checksums are known are only compared, as fast as the disk is. */
function passFor(isKnown: boolean): Pick<HashTask, 'hashes' | 'uncached'> {
  return isKnown ? { hashes: ['crc32'], uncached: true } : { hashes: ['crc32', 'sha512'] };
}

/** Copies parts in parallel and compares their CRCs with the recorded ones. */
async function copyNoted(
  { sums, untouched }: NotedSums,
  copy: Copy,
): Promise<readonly PieceSums[]> {
  const { slices, path } = copy;
  const results = await Promise.all(
    slices.map((slice) =>
      run(copy, {
        offset: slice.offset,
        pieces: [toPiece(slice, copy)],
        ...passFor(untouched),
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

interface CopySome extends Copy, Pick<CopyPartsOptions, 'store' | 'partSize'> {
  readonly omit: OmittedParts;
}

/**
 * Copies the parts that are not omitted. Their checksums decide which: if none are recorded, the blob is hashed before anything is
 * written.
 */
async function copySome(
  blob: SizedBlob,
  recorded: readonly PieceSums[] | undefined,
  copy: CopySome,
): Promise<readonly PieceSums[]> {
  const { slices, path, omit, onBytes, store, partSize } = copy;
  const sums = recorded ?? (await hashWhole(blob, copy));
  if (recorded === undefined) await store.note(blob, { partSize, parts: sums });
  await Promise.all(
    slices.map(async (slice, index) => {
      const { sha512, crc32 } = wholeSums(sums[index]);
      const omitted = omit.has(sha512);
      if (omitted && (recorded === undefined || !omit.verify)) return onBytes(slice.size);
      const piece = omitted ? { length: slice.size } : toPiece(slice, copy);
      const { pieces } = await run(copy, {
        ...{ offset: slice.offset, pieces: [piece] },
        ...passFor(recorded !== undefined),
      });
      const [found] = pieces;
      if (found?.crc32 !== crc32 || (recorded === undefined && found.sha512 !== sha512))
        throw damaged(path, `CRC-32 ${crc32}`, String(found?.crc32));
    }),
  );
  if (recorded !== undefined && (await store.noted(blob))?.untouched !== true) throw touched(path);
  return sums;
}

function hashWhole(
  blob: SizedBlob,
  { slices, ...source }: Omit<Copy, 'folder' | 'onBytes'>,
): Promise<readonly PieceSums[]> {
  const pieces = slices.map(({ size: length }) => ({ length }));
  return verifiedSums(blob, pieces, { ...source, onBytes: () => {} });
}

/** Copies parts one after the other, and verifies the digest of the whole blob. */
function copyHashed(blob: SizedBlob, copy: Copy): Promise<readonly PieceSums[]> {
  return verifiedSums(
    blob,
    copy.slices.map((slice) => toPiece(slice, copy)),
    copy,
  );
}

async function verifiedSums(
  { digest }: SizedBlob,
  pieces: readonly Piece[],
  copy: Source,
): Promise<readonly PieceSums[]> {
  const result = await run(copy, { offset: 0, pieces, hashes: ['sha256', 'sha512', 'crc32'] });
  const found = `sha256:${result.sha256}`;
  if (found !== digest) throw damaged(copy.path, digest, found);
  return result.pieces.map(wholeSums);
}

async function run(
  { path, size, pool, onBytes }: Source,
  task: Omit<HashTask, 'path' | 'size'>,
): Promise<HashResult> {
  try {
    return await pool.run({ path, size, ...task }, onBytes);
  } catch (error) {
    throw passFailure(error, path);
  }
}

/** Parts up to this size in bytes are synced together, by {@link syncSmallParts}. */
const SMALL_BYTES: number = 256 * KIB;

function isSmall({ size }: Pick<Slice, 'size'>): boolean {
  return size <= SMALL_BYTES;
}

/** Syncs the small parts that {@link copyParts} wrote to disk. */
export async function syncSmallParts(
  parts: readonly Pick<Slice, 'path' | 'size'>[],
  folder: string,
): Promise<void> {
  const small = parts.filter(isSmall);
  await syncFiles(
    folder,
    small.map(({ path }) => join(folder, path)),
  );
}

/** Creates the folder for parts. */
export async function makePartFolder(folder: string): Promise<void> {
  await makeFolder(join(folder, 'blobs', 'sha256'));
}

function toPiece(slice: Slice, { folder }: Copy): Piece {
  return {
    length: slice.size,
    destination: {
      ...{ path: join(folder, slice.path), offset: 0, create: true },
      ...(isSmall(slice) ? { unsynced: true } : { clone: true }),
    },
  };
}

function touched(path: string): StowageError {
  return new StowageError('blob-damaged', `the stored blob ${path} changed while it was packed`, {
    expected: 'no other program that writes to the store',
    found: 'a different modification time',
    hint: 'run stowage pack again: it hashes the blob again',
  });
}

function passFailure(error: unknown, source: string): unknown {
  if (!(error instanceof PassError)) return error;
  if (error.path === source && ['ESIZE', 'ESHORT', 'EKIND'].includes(error.code)) {
    return damaged(source, 'the size in the lock', error.message);
  }
  return ioError(error, error.path);
}

function damaged(path: string, expected: string, found: string): StowageError {
  return new StowageError('blob-damaged', `the stored blob ${path} changed since it was pulled`, {
    expected,
    found,
    hint: 'delete that file and run stowage pack again, which downloads it again; check the disk',
  });
}
