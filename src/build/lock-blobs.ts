import type { Digest } from '../core/digest.ts';
import type { Lock } from '../format/lock.ts';

/** Every blob that a lock names, once, with its size in bytes. */
export function lockBlobs(lock: Lock): ReadonlyMap<Digest, number> {
  const named = [
    ...lock.images.flatMap((image) => image.blobs),
    ...lock.models.flatMap((model) => model.files),
    ...lock.files,
  ];
  return new Map(named.map(({ digest, size }) => [digest, size]));
}
