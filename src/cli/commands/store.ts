import { access, constants } from 'node:fs/promises';
import { listStore, prune as pruneStore } from '../../build/prune.ts';
import { pullIntoStore } from '../../build/pull.ts';
import { lockBlobs } from '../../content/items.ts';
import { Tally } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError, systemCode } from '../../core/error.ts';
import { counted, formatBytes } from '../../core/text.ts';
import { BlobStore } from '../../io/blob-store.ts';
import { exists } from '../../io/file.ts';
import { HashPool } from '../../io/hashing.ts';
import { forEachBounded } from '../../io/queue.ts';
import { withSharedStoreLock } from '../../io/store-use.ts';
import { verifyBlob } from '../../io/verify-blob.ts';
import { type CommandContext, type CommandResult, storeFolder } from '../command.ts';
import { readFreshLock, readLock } from './manifest-file.ts';
import { openSources, type SourceOptions } from './sources.ts';

export interface StoreOptions {
  readonly store?: string;
}

export type StorePullOptions = StoreOptions & SourceOptions;

export interface StorePruneOptions extends StoreOptions {
  readonly keep: readonly string[];
  readonly dryRun?: boolean;
}

export async function pull(
  file: string | undefined,
  options: StorePullOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { lock, folder } = await readFreshLock(file, context);
  const store = open(options, context);
  await pullIntoStore(lock, {
    ...context,
    folder,
    store,
    sources: await openSources(options, context),
  });
  const blobs = lockBlobs(lock);
  const bytes = [...blobs.values()].reduce((sum, size) => sum + size, 0);
  return {
    json: { store: store.root, blobs: blobs.size, bytes },
    text: `pulled ${counted(blobs.size, 'blob')}, ${formatBytes(bytes)}, into ${store.root}\n`,
  };
}

export async function list(options: StoreOptions, context: CommandContext): Promise<CommandResult> {
  const store = open(options, context);
  const { blobs, unfinishedBytes } = await listStore(store);
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  const lines = [
    ...blobs.map(({ digest, size }) => `${digest}  ${formatBytes(size)}`),
    `${counted(blobs.length, 'blob')}, ${formatBytes(bytes)}; unfinished downloads: ${formatBytes(unfinishedBytes)}`,
  ];
  return {
    json: { store: store.root, blobs, bytes, unfinishedBytes },
    text: `${lines.join('\n')}\n`,
  };
}

export async function verify(
  options: StoreOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const store = open(options, context);
  if (!(await exists(store.root))) throw noStore(store.root);
  const damaged: Digest[] = [];
  let checked = 0;
  await reading(store, context, async () => {
    const { blobs } = await listStore(store);
    const total = blobs.reduce((sum, { size }) => sum + size, 0);
    const pool = new HashPool(context.signal);
    const tally = new Tally(context.emit, 'verify', total);
    try {
      await forEachBounded(blobs, pool.width, async ({ digest, size }) => {
        const options = { pool, onBytes: tally.add, rehash: true };
        const verdict = await verifyBlob(store, { digest, size }, options);
        if (verdict !== 'intact') damaged.push(digest);
        checked += 1;
      });
    } finally {
      await pool.close();
    }
  });
  const bad = damaged.map(
    (digest) => `damaged: ${store.path(digest)} (remove it, then run stowage store pull)`,
  );
  return {
    json: { store: store.root, checked, damaged },
    text: `${[...bad, `${counted(checked, 'blob')} of ${store.root} verified, ${damaged.length} damaged`].join('\n')}\n`,
    ...(damaged.length > 0 && { exitStatus: 1 as const }),
  };
}

export async function prune(
  options: StorePruneOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const store = open(options, context);
  const keep = options.keep.length === 0 ? undefined : await keptBlobs(options.keep, context);
  const dryRun = options.dryRun === true;
  const gone = await pruneStore(store, { dryRun, ...(keep && { keep }) });
  const verb = dryRun ? 'would remove' : 'removed';
  return {
    json: { store: store.root, dryRun, ...gone },
    text: `${verb} ${counted(gone.blobs.length, 'blob')} and ${counted(gone.unfinished.length, 'unfinished download')}, ${formatBytes(gone.bytes)}\n`,
  };
}

/** On a read-only file system, no lock can be written and none is needed. */
async function reading(
  store: BlobStore,
  context: CommandContext,
  work: () => Promise<void>,
): Promise<void> {
  const readOnly = await access(store.root, constants.W_OK).then(
    () => false,
    (error: unknown) => systemCode(error) === 'EROFS',
  );
  await (readOnly ? work() : withSharedStoreLock(store.root, context, work));
}

function noStore(path: string): StowageError {
  return new StowageError('file-missing', `no store at ${path}`, {
    expected: 'a store',
    found: 'no such folder; nothing was verified',
    hint: 'correct --store or STOWAGE_STORE, or create a store with stowage store pull',
  });
}

async function keptBlobs(
  paths: readonly string[],
  context: CommandContext,
): Promise<ReadonlySet<Digest>> {
  const kept = new Set<Digest>();
  for (const each of paths) {
    const path = context.path(each);
    const lock = await readLock(path);
    if (lock === undefined) {
      throw new StowageError('file-missing', `no lock at ${path}`, {
        expected: 'a lock that stowage lock wrote',
        found: 'no such file',
        hint: 'correct --keep; nothing was removed',
      });
    }
    for (const digest of lockBlobs(lock).keys()) kept.add(digest);
  }
  return kept;
}

function open(options: StoreOptions, context: CommandContext): BlobStore {
  return new BlobStore(storeFolder(context, options.store));
}
