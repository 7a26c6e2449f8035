import type { Digest } from '../core/digest.ts';
import type { LockedBlob } from '../format/blob.ts';
import type { LockedLayer } from '../format/lock.ts';
import { parseRemote } from '../net/http-body.ts';
import { type Asked, malformed } from '../net/http-error.ts';
import type { Place } from '../net/registry-auth.ts';
import {
  type ImageDocument,
  type IndexEntry,
  isManifestType,
  readImageDocument,
  uniqueBlobs,
} from './oci-manifest.ts';
import { choosePlatform, isImagePlatform, platformMissing, readPlatform } from './oci-platform.ts';
import type { FetchedManifest, Reader } from './oci-reader.ts';
import { parseReference, repositoryName } from './reference.ts';

/** An image as a registry holds it now, narrowed to the platforms asked for. */
export interface ResolvedImage {
  /** `registry/repository`. */
  readonly repository: string;
  /** The index or manifest that the reference named, byte for byte. */
  readonly target: LockedBlob;
  readonly platforms: readonly {
    readonly platform: string;
    readonly manifest: Digest;
    readonly config: Digest;
  }[];
  /** The target, then manifest, config and layers of each platform; each blob once. */
  readonly blobs: readonly LockedLayer[];
  /** The exact bytes of the target and the platforms' manifests. */
  readonly manifests: ReadonlyMap<Digest, Buffer>;
}

export interface ResolveImageOptions {
  readonly source: string;
  /** Such as `linux/amd64`. */
  readonly platforms: readonly string[];
  /** Whether the image may have layers that its registry does not hold. */
  readonly foreignLayers: boolean;
  readonly signal: AbortSignal;
}

/** What an image reference is now, and what of it these platforms need. */
export async function resolveImage(
  reader: Reader,
  options: ResolveImageOptions,
): Promise<ResolvedImage> {
  const { foreignLayers, signal } = options;
  const reference = parseReference(options.source);
  const name = reference.digest ?? reference.tag ?? 'latest';
  const root = await reader.manifest(reference, name, signal);
  const document = readImageDocument(root.bytes, root.contentType, root.asked, foreignLayers);
  const { digest, bytes } = root;
  const target = { digest, size: bytes.length, mediaType: document.mediaType };
  const images =
    document.kind === 'index'
      ? await fromIndex({ reader, place: reference, root, ...options }, document.manifests)
      : await fromManifest({ reader, place: reference, root, ...options }, document);
  const blobs = [
    target,
    ...images.flatMap(({ manifest, config, layers }) => [manifest, config, ...layers]),
  ];
  return {
    repository: repositoryName(reference),
    target,
    platforms: images.map(({ platform, manifest, config }) => ({
      platform,
      manifest: manifest.digest,
      config: config.digest,
    })),
    blobs: uniqueBlobs(blobs, root.asked),
    manifests: new Map([
      [digest, bytes],
      ...images.map(({ manifest, bytes: each }) => [manifest.digest, each] as const),
    ]),
  };
}

interface PlatformImage {
  readonly platform: string;
  readonly manifest: LockedBlob;
  readonly config: LockedBlob;
  readonly layers: readonly LockedLayer[];
  readonly bytes: Buffer;
}

interface Root extends ResolveImageOptions {
  readonly reader: Reader;
  readonly place: Place;
  readonly root: FetchedManifest;
}

async function fromIndex(
  { reader, place, root, platforms, foreignLayers, signal }: Root,
  entries: readonly IndexEntry[],
): Promise<PlatformImage[]> {
  const candidates = entries.filter(
    ({ platform, mediaType }) => isImagePlatform(platform) && isManifestType(mediaType),
  );
  const images: PlatformImage[] = [];
  for (const platform of platforms) {
    const entry = choosePlatform(candidates, platform);
    if (entry === undefined) {
      throw platformMissing(
        root.asked,
        platform,
        candidates.map((each) => each.platform),
      );
    }
    const { bytes, contentType, asked } = await reader.manifest(place, entry.digest, signal);
    const document = readImageDocument(bytes, contentType, asked, foreignLayers);
    const manifest = { digest: entry.digest, size: bytes.length, mediaType: entry.mediaType };
    images.push({ platform, manifest, bytes, ...imageOf(document, entry, bytes.length, asked) });
  }
  return images;
}

/** A manifest says what its index said of it. */
function imageOf(
  document: ImageDocument,
  entry: LockedBlob,
  size: number,
  asked: Asked,
): { config: LockedBlob; layers: readonly LockedLayer[] } {
  if (document.kind !== 'image' || document.mediaType !== entry.mediaType || size !== entry.size) {
    throw malformed(asked, {
      expected: `${entry.mediaType} of ${entry.size} bytes, as its index says`,
      found: `${document.mediaType} of ${size} bytes`,
    });
  }
  return { config: document.config, layers: document.layers };
}

/** An image without an index says in its config what platform it is for. */
async function fromManifest(
  { reader, place, root, platforms, signal }: Root,
  image: Extract<ImageDocument, { kind: 'image' }>,
): Promise<PlatformImage[]> {
  const { config, layers, mediaType } = image;
  const { bytes, digest, asked } = root;
  const platform = readPlatform(
    parseRemote(await reader.small(place, config, signal), asked),
    asked,
  );
  return platforms.map((wanted) => {
    if (choosePlatform([{ platform }], wanted) === undefined) {
      throw platformMissing(asked, wanted, [platform]);
    }
    const manifest = { digest, size: bytes.length, mediaType };
    return { platform: wanted, manifest, config, layers, bytes };
  });
}
