import { type Common, leavingOut } from '../content/increment.ts';
import { describeAll, itemsIn } from '../content/items.ts';
import { kinds } from '../content/kinds.ts';
import { blobsOfParts, partsWithout } from '../content/optional.ts';
import type { Lock } from '../format/lock.ts';
import { optionalContent } from './optional-content.ts';

/**
 * What need not travel of a lock: what the receiving sites have, and optional parts that are left out. Undefined if everything travels.
 * @throws StowageError `part-unknown`
 */
export function leftBehind(
  lock: Lock,
  {
    receivers,
    without = [],
  }: { readonly receivers?: Common; readonly without?: readonly string[] },
): Common | undefined {
  if (without.length === 0) return receivers;
  const { manifest } = lock;
  const members = optionalContent(lock, describeAll(lock));
  const contents = kinds.map((kind) => [
    kind.section,
    itemsIn<'locked'>(lock, kind).map((item) => ({ name: item.name, ...members(kind, item) })),
  ]);
  const parts: typeof manifest = { ...manifest, ...Object.fromEntries(contents) };
  return leavingOut(blobsOfParts(parts, partsWithout(parts, without)), receivers);
}
