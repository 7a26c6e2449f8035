import type { LockedAttachment, LockedLayer } from '../format/lock.ts';
import type { BlobStore } from '../io/blob-store.ts';
import type { Registry, ResolvedImage } from '../source/oci.ts';

/** What a registry holds beside an image, and the blobs that it is made of. */
export interface AttachedTo {
  readonly attached: readonly LockedAttachment[];
  readonly blobs: readonly LockedLayer[];
}

/**
 * Finds the signatures and other artifacts beside an image's index and its platforms' manifests. Their manifests are
 * kept in the store.
 */
export async function findAttached(
  image: ResolvedImage,
  registry: Registry,
  store: BlobStore,
  signal: AbortSignal,
): Promise<AttachedTo> {
  const { repository, target, platforms } = image;
  const subjects = new Set([target.digest, ...platforms.map((each) => each.manifest)]);
  const attached: LockedAttachment[] = [];
  const blobs = new Map(image.blobs.map((blob) => [blob.digest, blob]));
  for (const subject of subjects) {
    for (const each of await registry.attached(repository, subject, signal)) {
      const { kind, artifactType, manifest, bytes, config, layers } = each;
      if (attached.some((known) => known.digest === manifest.digest)) continue;
      await store.put(bytes);
      attached.push({ ...manifest, kind, subject, artifactType: artifactType || 'unknown' });
      for (const { digest, size, mediaType } of [
        manifest,
        ...(config ? [config] : []),
        ...layers,
      ]) {
        if (!blobs.has(digest)) blobs.set(digest, { digest, size, mediaType });
      }
    }
  }
  const sorted = attached.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  return { attached: sorted, blobs: [...blobs.values()] };
}
