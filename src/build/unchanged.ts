import { resolve as resolvePath } from 'node:path';
import { fromLock } from '../content/items.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_TRUST_BYTES } from '../core/limits.ts';
import type { Lock } from '../format/lock.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { readIfThere } from '../io/file.ts';
import { localDigest } from './local-files.ts';
import { isLocal } from './origins.ts';

export interface UnchangedOptions {
  readonly folder: string;
  readonly store: BlobStore;
  readonly signal: AbortSignal;
}

/**
 * Checks that local files have not changed since the lock: files, folders, and the keys and roots that
 * publishers' signatures were verified with. A missing file that is in the store counts as unchanged.
 * @throws StowageError `lock-stale`, naming all that changed
 */
export async function requireUnchanged(lock: Lock, options: UnchangedOptions): Promise<void> {
  const changed = [...(await changedFiles(lock, options)), ...(await changedKeys(lock, options))];
  const [first] = changed;
  if (first === undefined) return;
  const more = changed.length === 1 ? '' : `, and ${changed.length - 1} more`;
  throw new StowageError('lock-stale', `${first.what} changed since it was locked${more}`, {
    expected: first.expected,
    found: first.found,
    hint: 'run stowage lock again, or restore the files',
    defects: changed.map(({ what, found }) => `${what}: ${found}`),
  });
}

interface Change {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

async function changedFiles(
  lock: Lock,
  { folder, store, signal }: UnchangedOptions,
): Promise<Change[]> {
  const changed: Change[] = [];
  for (const { name, source, digest, size } of lock.files.filter(isLocal)) {
    // If the store does not have it, a pull reads it from there and compares it.
    if ((await store.size(digest)) !== size) continue;
    const path = resolvePath(folder, source);
    const found = await digestIfThere(store, path, signal);
    if (found !== undefined && found !== digest)
      changed.push({ what: `${source} of ${name}`, expected: digest, found });
  }
  return changed;
}

async function changedKeys(lock: Lock, { folder }: UnchangedOptions): Promise<Change[]> {
  const changed: Change[] = [];
  for (const { name, signature } of fromLock(lock, (_, item) => [item])) {
    for (const { path, digest } of signature?.trusted ?? []) {
      const bytes = await readIfThere(resolvePath(folder, path), MAX_TRUST_BYTES);
      const found = bytes && digestOf(bytes);
      if (found !== undefined && found !== digest)
        changed.push({
          what: `${path}, which ${name} was verified with,`,
          expected: digest,
          found,
        });
    }
  }
  return changed;
}

async function digestIfThere(
  store: BlobStore,
  path: string,
  signal: AbortSignal,
): Promise<Digest | undefined> {
  try {
    return await localDigest(store, path, signal);
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}
