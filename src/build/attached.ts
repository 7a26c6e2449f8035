import { isSourceError, type StowageError } from '../core/error.ts';
import { cutTo, printable } from '../core/text.ts';
import type { Finding } from '../format/finding.ts';
import type { LockedAttachment, LockedBlob, LockedLayer } from '../format/locked-content.ts';
import type { BlobStore } from '../io/blob-store.ts';
import type { Attached, Registry, ResolvedImage } from '../source/oci.ts';

/** The artifacts that are attached to an image in its registry, and their blobs. */
export interface AttachedToImage {
  readonly attached: readonly LockedAttachment[];
  readonly blobs: readonly LockedLayer[];
  /** Why some artifacts are not included. */
  readonly failures: readonly StowageError[];
}

/**
 * Finds the signatures and other artifacts attached to an image's index or its platforms' manifests. Their manifests are
 * kept in the store. Artifacts that cannot be read, or lack a blob, are skipped and listed.
 */
export async function findAttached(
  image: ResolvedImage,
  registry: Registry,
  store: BlobStore,
  signal: AbortSignal,
): Promise<AttachedToImage> {
  const { repository, target, platforms } = image;
  const subjects = new Set([target.digest, ...platforms.map((each) => each.manifest)]);
  const attached: LockedAttachment[] = [];
  const failures: StowageError[] = [];
  const blobs = new Map(image.blobs.map((blob) => [blob.digest, blob]));
  const missing = async (each: Attached): Promise<StowageError | undefined> => {
    const wanted = [...(each.config ? [each.config] : []), ...each.layers];
    for (const blob of wanted) {
      if (blobs.has(blob.digest) || (await store.size(blob.digest)) === blob.size) continue;
      const failure = await failureOf(registry, repository, blob, signal);
      if (failure !== undefined) return failure;
    }
    return undefined;
  };
  for (const subject of subjects) {
    const beside = await registry.attached(repository, subject, signal);
    failures.push(...beside.failures);
    for (const each of beside.found) {
      const { kind, artifactType, manifest, bytes, config, layers } = each;
      if (attached.some((known) => known.digest === manifest.digest)) continue;
      const failure = await missing(each);
      if (failure !== undefined) {
        failures.push(failure);
        continue;
      }
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
  return { attached: sorted, blobs: [...blobs.values()], failures };
}

/** Tests whether a blob can be downloaded, by requesting its first bytes as a pull does. @returns the reason if not */
async function failureOf(
  registry: Registry,
  repository: string,
  { digest }: LockedBlob,
  signal: AbortSignal,
): Promise<StowageError | undefined> {
  try {
    for await (const _ of await registry.blob(repository, digest).open(0, signal)) break;
    return undefined;
  } catch (error) {
    if (isSourceError(error)) return error;
    throw error;
  }
}

/** Findings about the attached artifacts that are not included, for the reviewer of the lock. */
export function attachmentFindings(
  source: string,
  repository: string,
  failures: readonly StowageError[],
): Finding[] {
  const messages = failures.map(({ message, found }) =>
    cutTo(printable(found === undefined ? message : `${message}: ${found}`), 1000),
  );
  return [...new Set(messages)].map((message) => ({
    ...{ source, file: repository, rule: 'attachment-missing', severity: 'warning', message },
  }));
}
