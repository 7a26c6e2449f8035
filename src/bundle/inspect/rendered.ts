import { join } from 'node:path';
import { type Digest, digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { BundleBlob } from '../../format/bundle.ts';
import { readCanonical } from '../../format/document.ts';
import {
  MAX_OBJECTS_BYTES,
  type RenderedObjects,
  renderedObjectsKind,
} from '../../format/rendered-objects.ts';
import { readBounded } from '../../io/file.ts';
import type { BundleView } from './bundle-view.ts';

/** Reads the rendered objects of a bundle from its parts, by the digest of their document; what cannot be read is left out. */
export async function readRendered({
  bundle,
  folders,
}: BundleView): Promise<ReadonlyMap<Digest, RenderedObjects>> {
  const found = new Map<Digest, RenderedObjects>();
  const blobs = new Map(bundle.blobs.map((each) => [each.digest, each]));
  for (const { objects } of [...(bundle.charts ?? []), ...(bundle.objects ?? [])]) {
    const blob = blobs.get(objects.digest);
    const document = blob && (await documentIn(blob, folders));
    if (document !== undefined) found.set(objects.digest, document);
  }
  return found;
}

async function documentIn(
  { digest, size, parts }: BundleBlob,
  folders: readonly string[],
): Promise<RenderedObjects | undefined> {
  if (size > MAX_OBJECTS_BYTES) return undefined;
  const chunks: Buffer[] = [];
  for (const { path } of parts) {
    const bytes = await partIn(path, folders);
    if (bytes === undefined) return undefined;
    chunks.push(bytes);
  }
  const bytes = Buffer.concat(chunks);
  return digestOf(bytes) === digest ? readCanonical(renderedObjectsKind, bytes) : undefined;
}

/** Missing and damaged parts are reported by verification, not here. */
async function partIn(path: string, folders: readonly string[]): Promise<Buffer | undefined> {
  for (const folder of folders) {
    try {
      return await readBounded(join(folder, path), MAX_OBJECTS_BYTES);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
    }
  }
  return undefined;
}
