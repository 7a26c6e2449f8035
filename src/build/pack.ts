import type { Lock } from '../format/lock.ts';
import { withSharedStoreLock } from '../io/store-use.ts';
import { type Assembled, type AssembleOptions, assemble, requireAbsent } from './assemble.ts';
import { leftBehind } from './left-out-parts.ts';
import { type PullOptions, pull } from './pull.ts';
import { requireRoom } from './room.ts';
import { requireUnchanged } from './unchanged.ts';

/**
 * From a lock to an unsigned bundle: whatever the store lacks is pulled, then everything is assembled.
 * @throws StowageError `part-unknown`, and from {@link pull} and {@link assemble}; after a failure no partial bundle remains
 */
export async function pack(lock: Lock, options: PullOptions & AssembleOptions): Promise<Assembled> {
  await requireAbsent(options.output);
  const receivers = leftBehind(lock, options);
  await requireRoom(lock, { ...options, ...(receivers === undefined ? {} : { receivers }) });
  const { store, signal } = options;
  return withSharedStoreLock(store.root, { signal }, async () => {
    await requireUnchanged(lock, options);
    await pull(lock, options);
    return assemble(lock, options);
  });
}
