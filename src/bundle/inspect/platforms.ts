import { join } from 'node:path';
import type { ImagePlatform, Layer } from '../../content/seen.ts';
import { type Digest, digestOf, isDigest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, parseJson, sizeOf, textOf } from '../../core/json.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../../core/limits.ts';
import type { BundleImage } from '../../format/bundled-content.ts';
import { readBounded } from '../../io/file.ts';
import type { BundleView } from './bundle-view.ts';

/** Reads the image manifests of a bundle from its parts. */
export async function readPlatforms(view: BundleView): Promise<ImagePlatform[]> {
  const found: ImagePlatform[] = [];
  for (const image of view.bundle.images)
    for (const each of image.platforms) found.push(await readPlatform(view, image, each));
  return found;
}

async function readPlatform(
  { bundle, folders }: BundleView,
  image: BundleImage,
  { platform, manifest }: BundleImage['platforms'][number],
): Promise<ImagePlatform> {
  const named = { image: image.name, platform, manifest };
  const part = bundle.blobs.find(({ digest }) => digest === manifest)?.parts[0];
  for (const folder of folders) {
    const layers = part && (await layersIn(join(folder, part.path), manifest));
    if (layers !== undefined) return { ...named, layers };
  }
  return named;
}

async function layersIn(path: string, manifest: Digest): Promise<Layer[] | undefined> {
  try {
    const bytes = await readBounded(path, MAX_OCI_MANIFEST_BYTES);
    return digestOf(bytes) === manifest ? layersOf(bytes) : undefined;
  } catch (error) {
    // Missing and damaged parts are reported by verification, not here.
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}

function layersOf(bytes: Buffer): Layer[] | undefined {
  const { layers } = fieldsOf(parseJson(bytes));
  if (!Array.isArray(layers)) return undefined;
  return layers.flatMap((each: unknown) => {
    const { digest, size, mediaType } = fieldsOf(each);
    const bytesOf = sizeOf(size);
    return typeof digest === 'string' && isDigest(digest) && bytesOf !== undefined
      ? [{ digest, size: bytesOf, mediaType: textOf(mediaType, 255) ?? '' }]
      : [];
  });
}
