import type { Digest } from '../core/digest.ts';
import type { Lock, LockedBlob } from '../format/lock.ts';
import type { Described } from './content.ts';

/** Every blob of the bundle, once, sorted by digest. */
export function travellingBlobs(
  lock: Lock,
  described: ReadonlyMap<string, Described>,
): LockedBlob[] {
  const raw = 'application/octet-stream';
  const blobs = new Map<Digest, LockedBlob>();
  const add = (blob: LockedBlob): void => void blobs.set(blob.digest, blob);
  for (const image of lock.images)
    for (const { digest, size, mediaType } of image.blobs) add({ digest, size, mediaType });
  for (const model of lock.models) for (const file of model.files) add({ ...file, mediaType: raw });
  for (const file of lock.files) add({ ...file, mediaType: raw });
  for (const each of described.values()) {
    for (const [digest, bytes] of each.documents)
      add({ digest, size: bytes.length, mediaType: raw });
  }
  return [...blobs.values()].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}
