import { join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { discNamed } from '../../bundle/discs.ts';
import { examinePart } from '../../bundle/part-check.ts';
import { type Context, Tally } from '../../core/context.ts';
import { digestHex } from '../../core/digest.ts';
import type { BundleBlob } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { allocate, remove } from '../../io/file.ts';
import { makeFolder, requireSpace } from '../../io/folder.ts';
import type { HashTask } from '../../io/hash-task.ts';
import { HashPool } from '../../io/hashing.ts';
import { PassError } from '../../io/positioned.ts';
import type { SiteFolder } from '../site-folder.ts';

export interface RepairBlobsOptions extends Context {
  readonly admitted: AdmittedBundle;
  readonly site: SiteFolder;
}

/**
 * Replaces damaged blobs of a site by those of a bundle that was not imported: each complete or not at all, from the
 * good parts of the stored file and the media. Imports nothing.
 * @throws StowageError `space-insufficient`, `io-failed`, `interrupted`
 */
export async function repairBlobs(
  blobs: readonly BundleBlob[],
  options: RepairBlobsOptions,
): Promise<void> {
  const { site, signal, emit } = options;
  const folder = site.path('staging', '.repair');
  const { add: onBytes } = new Tally(
    emit,
    'repair',
    blobs.reduce((sum, { size }) => sum + size, 0),
  );
  const pool = new HashPool(signal);
  try {
    await remove(folder);
    await makeFolder(folder);
    await requireSpace(folder, Math.max(...blobs.map(({ size }) => size)));
    for (const blob of blobs) {
      const path = join(folder, digestHex(blob.digest));
      await allocate(path, blob.size);
      if (await assemble(blob, path, { ...options, pool, onBytes }))
        await site.store.adopt(path, blob.digest);
      else await remove(path);
    }
  } finally {
    await pool.close();
    await remove(folder);
  }
}

interface AssembleOptions extends RepairBlobsOptions {
  readonly pool: HashPool;
  readonly onBytes: (bytes: number) => void;
}

/** Writes a blob to a file. @returns whether each of its parts is as signed */
async function assemble(
  blob: BundleBlob,
  path: string,
  options: AssembleOptions,
): Promise<boolean> {
  for (const part of blob.parts) {
    const isCopied =
      (await copyStored(part, blob, path, options)) || (await copyFromMedia(part, path, options));
    if (!isCopied) return false;
  }
  return true;
}

async function copyStored(
  part: Part,
  { digest, size }: BundleBlob,
  path: string,
  { site, pool, onBytes }: AssembleOptions,
): Promise<boolean> {
  const stored = site.store.path(digest);
  const { offset, size: length } = part;
  const task: HashTask = {
    ...{ path: stored, size, offset, hashes: ['sha512'] },
    pieces: [{ length, destination: { path, offset, create: false } }],
  };
  try {
    const found = (await pool.run(task)).pieces[0]?.sha512;
    if (found !== part.sha512) return false;
    onBytes(length);
    return true;
  } catch (error) {
    // What cannot be read of the stored file comes from the media; the new file must be writable.
    if (error instanceof PassError && error.path === stored) return false;
    throw error;
  }
}

async function copyFromMedia(
  part: Part,
  path: string,
  { admitted, pool, onBytes, emit }: AssembleOptions,
): Promise<boolean> {
  const { bundle, discs } = admitted;
  for (const { folder, files } of discs) {
    if (!files.has(part.path)) continue;
    const check = { bundle, folder, ...discNamed(folder, discs.length), pool, onBytes };
    const fault = await examinePart(part, check, { path, offset: part.offset });
    if (fault === undefined) return true;
    emit({ type: 'warning', message: fault.error.message });
  }
  return false;
}
