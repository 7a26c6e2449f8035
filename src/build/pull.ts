import { resolve as resolvePath } from 'node:path';
import { type Context, Tally } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { counted, exactBytes } from '../core/text.ts';
import type { Lock } from '../format/lock.ts';
import {
  type LockedFile,
  type LockedGit,
  type LockedImage,
  sourceRead,
} from '../format/locked-content.ts';
import { isStored, localImageOf } from '../format/source.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { exceedsPageCache } from '../io/direct-io.ts';
import { makeFolder } from '../io/folder.ts';
import { forEachBounded } from '../io/queue.ts';
import { withSharedStoreLock } from '../io/store-use.ts';
import { examinePulled } from './examine.ts';
import { keepGit } from './git-tree.ts';
import { inspectLocal, keepLocal } from './local-files.ts';
import { pullObjects } from './objects/resolve-objects.ts';
import { keepBlobs, withImage } from './open-image.ts';
import { type BlobRequest, blobRequests, isLocal, type Sources } from './origins.ts';
import { once, otherSources } from './other-sources.ts';
import { BlobPuller } from './pull-blob.ts';
import { neededLayers, pullLayer } from './pull-layers.ts';
import { requireRoom } from './room.ts';
import { changedSince } from './stale.ts';
import { type Transfer, withTransfer } from './transfer.ts';
import { requireUnchanged } from './unchanged.ts';

const BLOBS_AT_ONCE = 4;

export interface PullOptions extends Context {
  readonly folder: string;
  readonly store: BlobStore;
  readonly sources: Sources;
  /** The part size of the later bundle, for which checksums are recorded: bytes, 0 for whole blobs. */
  readonly partSize?: number;
  /** Whether large blobs are written past the page cache, because nothing reads them soon. */
  readonly uncached?: boolean;
}

/**
 * Downloads every blob that a lock names into the store, unless it is there already.
 * @throws StowageError `source-*`, `content-refused`, `space-insufficient`, `lock-stale`
 */
export async function pull(lock: Lock, options: PullOptions): Promise<void> {
  const { store, emit } = options;
  const requests = blobRequests(lock, { ...options.sources, folder: options.folder });
  const missing: BlobRequest[] = [];
  for (const each of requests) {
    if ((await store.size(each.digest)) !== each.size) missing.push(each);
  }
  for (const file of lock.files.filter(isLocal)) await requireSameSize(file, options);
  const layers = await neededLayers(lock, store);
  const total = bytesOf(requests) + bytesOf(layers);
  await makeFolder(store.root);
  const tally = new Tally(emit, 'pull', total, bytesOf(requests) - bytesOf(missing));
  const downloads = missing.length + layers.length;
  if (downloads > 0) emit({ type: 'step', step: 'pull', subject: counted(downloads, 'blob') });
  // What is packed at once is best left in memory, if it fits there.
  const uncached = options.uncached === true || exceedsPageCache(bytesOf(missing));
  await withTransfer({ ...options, uncached }, async (transfer) => {
    const puller = new BlobPuller(otherSources(lock, { ...options, transfer }), transfer);
    await forEachBounded(missing, BLOBS_AT_ONCE, (each) => puller.pull(each, tally.add));
    for (const image of lock.images) await pullStored(image, { ...options, transfer, puller });
    for (const layer of layers) {
      const keep = once(() => pullLayer(layer, options, transfer, tally.add));
      const own = { source: sourceRead(layer.model), keep };
      for (const file of layer.files) await puller.pullFrom(layer.model.name, own, file, () => {});
    }
    for (const file of lock.files)
      if (file.git !== undefined)
        await pullGit({ ...file, git: file.git }, lock, options, transfer);
  });
  for (const file of lock.files.filter(isLocal)) await pullLocal(file, options);
  await pullObjects(lock, options);
  emit({ type: 'step', step: 'examine', subject: lock.manifest.name });
  await examinePulled(lock, options);
}

/** An image in the storage of an engine is exported if the store lacks a blob of it. */
async function pullStored(
  image: LockedImage,
  options: PullOptions & { readonly transfer: Transfer; readonly puller: BlobPuller },
): Promise<void> {
  const source = sourceRead(image);
  const local = localImageOf(source);
  if (local === undefined || !isStored(local)) return;
  const { store, transfer, puller } = options;
  const keep = once(() => {
    options.emit({ type: 'step', step: 'pull', subject: source });
    return withImage({ ...image, source }, options, async (open) => {
      const [, found = ''] = open.reference.split('@');
      if (found !== image.target.digest) throw changedSince(image, image.target.digest, found);
      await keepBlobs(image, open, transfer);
    });
  });
  for (const blob of image.blobs)
    if ((await store.size(blob.digest)) !== blob.size)
      await puller.pullFrom(image.name, { source, keep }, blob, () => {});
}

function bytesOf(blobs: readonly { readonly size: number }[]): number {
  return blobs.reduce((sum, { size }) => sum + size, 0);
}

/** Before anything is downloaded: a local file or folder of another size is not what was locked, and need not be read. */
async function requireSameSize(file: LockedFile, { store, folder }: PullOptions): Promise<void> {
  if ((await store.size(file.digest)) === file.size) return;
  const found = await inspectLocal(resolvePath(folder, file.source));
  if (found.kind === file.kind && found.size === file.size) return;
  throw changedSince(file, inBytes(file), inBytes(found));
}

function inBytes({ kind, size }: Pick<LockedFile, 'kind' | 'size'>): string {
  return `${kind === 'tree' ? 'a folder, as an archive' : 'a file'} of ${exactBytes(size)}`;
}

async function pullLocal(file: LockedFile, options: PullOptions): Promise<void> {
  const { store, folder, emit } = options;
  if ((await store.size(file.digest)) === file.size) return;
  emit({ type: 'step', step: 'pull', subject: file.source });
  const kept = await keepLocal(store, resolvePath(folder, file.source), options);
  if (kept.digest !== file.digest) throw changedSince(file, file.digest, kept.digest);
}

async function pullGit(
  file: LockedFile & { readonly git: LockedGit },
  { manifest }: Lock,
  { store, sources }: PullOptions,
  transfer: Transfer,
): Promise<void> {
  if ((await store.size(file.digest)) === file.size) return;
  const wanted = manifest.files.find(({ name }) => name === file.name);
  const kept = await keepGit(file.git, wanted ?? {}, sources.git, transfer);
  if (kept.digest === file.digest) return;
  throw new StowageError(
    'source-mismatch',
    `the files from the git repository of ${file.name} differ from the lock`,
    {
      expected: file.digest,
      found: kept.digest,
      hint: 'run stowage lock again and compare the result: a commit must always give the same files',
    },
  );
}

/** Downloads what a lock names into the store, without packing it. @throws StowageError as {@link pull} does */
export async function pullIntoStore(lock: Lock, options: PullOptions): Promise<void> {
  const { store, signal } = options;
  await requireRoom(lock, { store });
  await withSharedStoreLock(store.root, { signal }, async () => {
    await requireUnchanged(lock, options);
    await pull(lock, { ...options, uncached: true });
  });
}
