import type { Lock } from '../format/lock.ts';
import { withSharedStoreLock } from '../io/store-use.ts';
import { type PullOptions, pull } from './pull.ts';
import { requireRoom } from './room.ts';
import { requireUnchanged } from './unchanged.ts';

/** Downloads what a lock names into the store, without packing it. @throws StowageError as {@link pull} does */
export async function pullIntoStore(lock: Lock, options: PullOptions): Promise<void> {
  const { store, signal } = options;
  await requireRoom(lock, { store });
  await withSharedStoreLock(store.root, { signal }, async () => {
    await requireUnchanged(lock, options);
    await pull(lock, options);
  });
}
