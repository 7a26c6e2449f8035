import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StowageError } from '../core/error.ts';
import { makeFolder, namesIn, remove } from './file.ts';
import { inTurn, lockHolder, type Patience, withLock } from './lock-file.ts';

/**
 * Runs `work` that puts blobs into a store or relies on what is there: nothing is taken out meanwhile. Many may at
 * once. Waits for one that takes something out.
 * @throws StowageError `interrupted`
 */
export async function withSharedStoreLock<T>(
  root: string,
  patience: Patience,
  work: () => Promise<T>,
): Promise<T> {
  await makeFolder(runsOf(root));
  // Said before it is asked, on both sides: one of the two is sure to see the other.
  return withLock(join(runsOf(root), randomBytes(6).toString('hex')), async () => {
    await inTurn(pruneLock(root), patience, async () => {});
    return work();
  });
}

/**
 * Runs `work` that takes something out of a store, when nobody uses it.
 * @throws StowageError `store-locked` when somebody does
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
  return new StowageError('store-locked', 'another stowage command uses this store', {
    expected: `${root} to be free`,
    found: `process ${pid}`,
    hint: 'wait until it ends, and run this command again',
  });
}
