import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StowageError } from '../core/error.ts';
import { namesIn, remove } from './file.ts';
import { makeFolder } from './folder.ts';
import { inTurn, type LockWait, lockHolder, removeStaleLocks, withLock } from './lock-file.ts';

/** Files and folders that only the command that made them can use. Incomplete blobs are none: they are resumed. */
const TEMPORARIES: readonly (readonly [string, RegExp])[] = [
  ['incoming', /^git-|\.tar$/],
  ['blobs/sha256', /\.tmp$/],
  ['sums', /\.tmp$/],
  ['packages', /\.tmp$/],
];

/**
 * Runs `work` that adds blobs to a store or relies on its content: nothing is removed meanwhile. Several can run at
 * once. Waits for a command that removes blobs.
 * @throws StowageError `interrupted`
 */
export async function withSharedStoreLock<T>(
  root: string,
  patience: LockWait,
  work: () => Promise<T>,
): Promise<T> {
  await makeFolder(runsOf(root));
  const own = randomBytes(6).toString('hex');
  // Both sides register before they check, so at least one of them sees the other.
  return withLock(join(runsOf(root), own), async () => {
    await inTurn(pruneLock(root), patience, () => removeLeftovers(root, own));
    return work();
  });
}

/** Removes what killed commands left: stale locks and, unless another command uses the store, temporary files. */
async function removeLeftovers(root: string, own: string): Promise<void> {
  await removeStaleLocks(root, () => false);
  await removeStaleLocks(runsOf(root), (name) => name !== own);
  await removeStaleLocks(join(root, 'incoming'), (name) => name.endsWith('.lock'));
  if ((await namesIn(runsOf(root))).some((name) => name !== own)) return;
  for (const [folder, temporary] of TEMPORARIES)
    for (const name of await namesIn(join(root, folder)))
      if (temporary.test(name)) await remove(join(root, folder, name));
}

/**
 * Runs `work` that removes blobs from a store, if no other command uses it.
 * @throws StowageError `store-locked` if one does
 */
export async function withExclusiveStoreLock<T>(root: string, work: () => Promise<T>): Promise<T> {
  await makeFolder(runsOf(root));
  return inTurn(pruneLock(root), {}, async () => {
    for (const run of await namesIn(runsOf(root))) {
      const path = join(runsOf(root), run);
      const pid = await lockHolder(path);
      if (pid !== undefined) throw inUse(root, pid);
      await remove(path);
    }
    return work();
  });
}

function runsOf(root: string): string {
  return join(root, 'runs');
}

function pruneLock(root: string): string {
  return join(root, 'prune.lock');
}

function inUse(root: string, pid: number): StowageError {
  return new StowageError('store-locked', 'another stowage command is using this store', {
    expected: `${root} to be free`,
    found: `process ${pid}`,
    hint: 'wait until it ends, and run this command again',
  });
}
