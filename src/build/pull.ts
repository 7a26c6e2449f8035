import { open } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { StowageError } from '../core/error.ts';
import type { Context } from '../core/event.ts';
import { MIB } from '../core/limits.ts';
import type { Lock, LockedFile } from '../format/lock.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { ioError, makeFolder } from '../io/file.ts';
import { forEachBounded } from '../io/queue.ts';
import { refusePickle } from './examine.ts';
import { fetchBlob } from './fetch.ts';
import { keepLocal } from './local-files.ts';
import { isLocal, type Sources, type Wanted, wantedBlobs } from './origins.ts';
import { refuseSecrets } from './secrets.ts';
import { withTransfer } from './transfer.ts';

const BLOBS_AT_ONCE = 4;
// A PyTorch archive names its pickle in the first local header; a pickle says so in two bytes.
const HEAD_BYTES = 256;
// Configuration, cards and programs; weights are numbers.
const MAX_TEXT_BYTES = 32 * MIB;

export interface PullOptions extends Context {
  readonly folder: string;
  readonly store: BlobStore;
  readonly sources: Sources;
}

/**
 * Brings every blob that a lock names into the store. What is there already is not fetched again.
 * @throws StowageError `source-*`, `content-refused`, `space-insufficient`
 */
export async function pull(lock: Lock, options: PullOptions): Promise<void> {
  const { store, emit } = options;
  const wanted = wantedBlobs(lock, options.sources);
  const missing: Wanted[] = [];
  for (const each of wanted) {
    if ((await store.size(each.digest)) !== each.size) missing.push(each);
  }
  const total = missing.reduce((sum, each) => sum + each.size, 0);
  await makeFolder(store.root);
  let done = 0;
  const count = (bytes: number): void => {
    done += bytes;
    emit({ type: 'progress', task: 'pull', done, total, unit: 'bytes' });
  };
  if (total > 0) emit({ type: 'step', step: 'pull', subject: `${missing.length} blobs` });
  await withTransfer(options, (transfer) =>
    forEachBounded(missing, BLOBS_AT_ONCE, async (each) => {
      await fetchBlob(transfer, each.expected, await each.origin(), count);
    }),
  );
  for (const file of lock.files.filter(isLocal)) await pullLocal(file, options);
  for (const each of wanted) await examineBlob(each, store);
  for (const file of lock.files) {
    await refuseSecrets(store.path(file.digest), `files ${file.name}`);
  }
}

async function pullLocal(file: LockedFile, { store, folder, signal }: PullOptions): Promise<void> {
  if ((await store.size(file.digest)) === file.size) return;
  const kept = await keepLocal(store, resolvePath(folder, file.source), signal);
  if (kept.digest === file.digest) return;
  throw new StowageError('lock-stale', `the files of ${file.name} changed since they were locked`, {
    expected: file.digest,
    found: kept.digest,
    hint: 'run stowage lock again, or put the files back as they were',
  });
}

async function examineBlob(wanted: Wanted, store: BlobStore): Promise<void> {
  if (wanted.model === undefined) return;
  const path = store.path(wanted.digest);
  if (wanted.size <= MAX_TEXT_BYTES) {
    await refuseSecrets(path, `${wanted.model.path} of model ${wanted.model.name}`);
  }
  try {
    const handle = await open(path);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      refusePickle(wanted.model.name, wanted.model.path, buffer.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, path);
  }
}
