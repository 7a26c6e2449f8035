import { dirname } from 'node:path';
import type { BundleBlob } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { allocate, ioError } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import type { HashPool } from '../../io/hashing.ts';
import { PassError } from '../../io/positioned.ts';

/**
 * Copies the parts of a damaged blob that are as signed to a new file, at their places. The blob may be mounted, so it is not moved.
 * @param from the damaged blob
 * @returns the parts that were copied
 * @throws StowageError `space-insufficient`, `io-failed`, `interrupted`
 */
export async function copyGoodParts(
  blob: BundleBlob,
  from: string,
  to: string,
  pool: HashPool,
): Promise<Part[]> {
  await makeFolder(dirname(to));
  await allocate(to, blob.size);
  const good: Part[] = [];
  for (const part of blob.parts) {
    const { offset, size: length } = part;
    const task = {
      ...{ path: from, size: blob.size, offset },
      pieces: [{ length, destination: { path: to, offset, create: false } }],
      hashes: ['sha512'],
    } as const;
    const found = await pool.run(task).catch((error: unknown) => unreadable(error, to));
    if (found?.pieces[0]?.sha512 === part.sha512) good.push(part);
  }
  return good;
}

/** Treats what a disk cannot read as damage. @param written the path whose errors are not damage */
export function unreadable(error: unknown, written: string): undefined {
  if (!(error instanceof PassError)) throw error;
  if (error.path === written) throw ioError(error, error.path);
}
