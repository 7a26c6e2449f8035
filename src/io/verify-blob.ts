import type { OnBytes } from '../core/context.ts';
import type { Digest, Sri } from '../core/digest.ts';
import type { BlobStore } from './blob-store.ts';
import { ioError } from './file.ts';
import type { BlobSums } from './hash-task.ts';
import type { HashPool } from './hashing.ts';
import { markOf } from './noted-sums.ts';
import { PassError } from './positioned.ts';

export type BlobVerdict = 'intact' | 'damaged' | 'missing';

/** A blob in a store, and its sums where a signed index lists them. */
export interface ListedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly sums?: BlobSums;
}

export interface VerifyBlobOptions {
  readonly pool: HashPool;
  readonly onBytes?: OnBytes;
  /** Whether to hash blobs whose files have not changed since they were last hashed, too. */
  readonly rehash?: boolean;
}

/**
 * Compares a stored blob with its digest. It is not read if its file is the one that was hashed, unchanged since, and
 * the recorded sums are the listed ones; small blobs are always read. What was hashed is recorded.
 * @throws StowageError `io-failed`, `interrupted`
 */
export async function verifyBlob(
  store: BlobStore,
  { sums, ...blob }: ListedBlob,
  { pool, onBytes = () => {}, rehash = false }: VerifyBlobOptions,
): Promise<BlobVerdict> {
  const { digest, size } = blob;
  const there = await store.size(digest);
  if (there === undefined) return 'missing';
  if (there !== size) return 'damaged';
  if (!rehash && (await isUntouched(store, blob, sums))) {
    onBytes(size, true);
    return 'intact';
  }
  const path = store.path(digest);
  const mark = await markOf(path);
  const task = { path, size, offset: 0, pieces: [{ length: size }], hashes: ['sha256'] } as const;
  const found = await pool.run(task, onBytes).catch(asDamage);
  if (`sha256:${found?.sha256}` !== digest) return 'damaged';
  // Only a record: who cannot write it hashes the blob again.
  if (sums !== undefined) await store.note(blob, sums, mark).catch(() => {});
  return 'intact';
}

/**
 * Compares a file with its size and SHA-512, read once in a worker and never held in memory as a whole.
 * @throws StowageError `io-failed`, `interrupted`
 */
export async function verifyFile(
  path: string,
  { size, sha512 }: { readonly size: number; readonly sha512: Sri },
  pool: HashPool,
): Promise<BlobVerdict> {
  const task = { path, size, offset: 0, pieces: [{ length: size }], hashes: ['sha512'] } as const;
  try {
    const [found] = (await pool.run(task)).pieces;
    return found?.sha512 === sha512 ? 'intact' : 'damaged';
  } catch (error) {
    if (error instanceof PassError && ['ENOENT', 'ENOTDIR'].includes(error.code)) return 'missing';
    asDamage(error);
    return 'damaged';
  }
}

async function isUntouched(
  store: BlobStore,
  blob: ListedBlob,
  sums: BlobSums | undefined,
): Promise<boolean> {
  const noted = await store.noted(blob);
  if (noted?.untouched !== true) return false;
  return sums === undefined || JSON.stringify(listOf(noted.sums)) === JSON.stringify(listOf(sums));
}

function listOf({ partSize, parts }: BlobSums): unknown {
  return [parts.length === 1 ? 0 : partSize, parts.map(({ sha512, crc32 }) => [sha512, crc32])];
}

/** Treats an unreadable sector, and anything but a file of this size, as damage; throws any other read error. */
function asDamage(error: unknown): undefined {
  if (!(error instanceof PassError)) throw error;
  if (!['EIO', 'ESHORT', 'ESIZE', 'EKIND', 'ELOOP'].includes(error.code))
    throw ioError(error, error.path);
}
