import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestFromHex, digestHex } from '../core/digest.ts';
import { systemCode } from '../core/error.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { ioError, remove } from '../io/file.ts';
import { occupiedBytes } from '../io/folder.ts';
import { withExclusiveStoreLock } from '../io/store-use.ts';

export interface PruneOptions {
  /** The blobs to keep; undefined for all. */
  readonly keep?: ReadonlySet<Digest>;
  /** Only reports what would be deleted. */
  readonly dryRun: boolean;
}

/** What was deleted, or would be. */
export interface Pruned {
  readonly blobs: readonly Digest[];
  /** Files and folders that interrupted runs left, relative to the store. */
  readonly unfinished: readonly string[];
  /** Their total size on disk, in bytes. */
  readonly bytes: number;
}

/**
 * Deletes what interrupted runs left in a store, and the blobs that `keep` does not contain. Partial downloads of blobs
 * that are kept stay, so that the next run resumes them.
 * @throws StowageError `store-locked` while another run uses the store
 */
export async function prune(store: BlobStore, options: PruneOptions): Promise<Pruned> {
  return withExclusiveStoreLock(store.root, async () => {
    const { keep, dryRun } = options;
    const kept = new Set([...(keep ?? [])].map(digestHex));
    const wanted = (hex: string): boolean => keep === undefined || kept.has(hex);
    const blobs = (await entries(join(store.root, 'blobs/sha256'))).filter(isBlob);
    const gone = new Set(blobs.map(({ name }) => name).filter((name) => !wanted(name)));
    const whole = new Set(blobs.map(({ name }) => name));
    const unfinished = [
      ...(await entries(join(store.root, 'blobs/sha256')))
        .filter((each) => !isBlob(each))
        .map(({ name }) => `blobs/sha256/${name}`),
      ...(await entries(join(store.root, 'incoming')))
        .filter(({ name }) => !resumable(name, wanted, whole))
        .map(({ name }) => `incoming/${name}`),
    ];
    const sums = (await entries(join(store.root, 'sums')))
      .filter(
        ({ name }) =>
          !/^[0-9a-f]{64}\.(?:[\w-]+\.)?json$/.test(name) ||
          !whole.has(name.slice(0, 64)) ||
          gone.has(name.slice(0, 64)),
      )
      .map(({ name }) => `sums/${name}`);
    // Package lists are recorded by the digest of the image's manifest, and are expensive to compute again.
    const packages = (await entries(join(store.root, 'packages')))
      .filter(({ name }) => {
        const [, hex] = /^([0-9a-f]{64})\.\d+\.json$/.exec(name) ?? [];
        return hex === undefined || !whole.has(hex) || gone.has(hex);
      })
      .map(({ name }) => `packages/${name}`);
    const dead = [...gone].map((hex) => `blobs/sha256/${hex}`);
    const paths = [...dead, ...unfinished, ...sums, ...packages];
    let bytes = 0;
    for (const path of paths) {
      bytes += await occupiedBytes(join(store.root, path));
      if (!dryRun) await remove(join(store.root, path));
    }
    return { blobs: [...gone].map(digestFromHex), unfinished, bytes };
  });
}

/** Every blob of a store by name, with its size, and the total size of incomplete files in bytes. */
export async function listStore(
  store: BlobStore,
): Promise<{ blobs: { digest: Digest; size: number }[]; unfinishedBytes: number }> {
  const blobs: { digest: Digest; size: number }[] = [];
  for (const { name } of (await entries(join(store.root, 'blobs/sha256'))).filter(isBlob)) {
    const digest = digestFromHex(name);
    blobs.push({ digest, size: (await store.size(digest)) ?? 0 });
  }
  let unfinishedBytes = 0;
  for (const { name } of await entries(join(store.root, 'incoming'))) {
    unfinishedBytes += await occupiedBytes(join(store.root, 'incoming', name));
  }
  return { blobs, unfinishedBytes };
}

function isBlob(entry: Dirent): boolean {
  return entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name);
}

/** Whether a later run can resume an unfinished file. */
function resumable(
  name: string,
  wanted: (hex: string) => boolean,
  whole: ReadonlySet<string>,
): boolean {
  const [, hex] = /^([0-9a-f]{64})\.(?:partial|spans)$/.exec(name) ?? [];
  return hex !== undefined && wanted(hex) && !whole.has(hex);
}

async function entries(folder: string): Promise<Dirent[]> {
  try {
    const found = await readdir(folder, { withFileTypes: true });
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw ioError(error, folder);
  }
}
