import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, textOf } from '../core/json.ts';
import { counted } from '../core/text.ts';
import type { LockedBlob, LockedImage, LockedLayer } from '../format/locked-content.ts';
import { type Asked, malformed, parseRemote } from '../net/http-response.ts';
import type { Place } from '../net/registry-auth.ts';
import {
  choosePlatform,
  type ImageDocument,
  type IndexEntry,
  isAttestation,
  isIndexType,
  isManifestType,
  type PlatformFields,
  platformMissing,
  platformOf,
  readImageDocument,
  uniqueBlobs,
} from './oci-manifest.ts';
import type { FetchedManifest, Reader } from './oci-reader.ts';
import { parseReference, repositoryName } from './reference.ts';

/** An image in a registry, resolved for the requested platforms. */
export interface ResolvedImage extends Pick<LockedImage, 'repository' | 'target' | 'platforms'> {
  /** The target, then the manifest, config and layers of each platform, without duplicates. */
  readonly blobs: readonly LockedLayer[];
  /** The exact bytes of the target and the platforms' manifests. */
  readonly manifests: ReadonlyMap<Digest, Buffer>;
  /** The parts of each platform's image, to read its config. */
  readonly images: readonly PlatformImage[];
}

export interface ResolveImageOptions {
  readonly source: string;
  /** Such as `linux/amd64`. */
  readonly platforms: readonly string[];
  /** Whether the image may have layers that its registry does not store. */
  readonly foreignLayers: boolean;
  readonly signal: AbortSignal;
}

/** Resolves an image reference for the given platforms. */
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
    images,
    blobs: uniqueBlobs(blobs, root.asked),
    manifests: new Map([
      [digest, bytes],
      ...images.map(({ manifest, bytes: each }) => [manifest.digest, each] as const),
    ]),
  };
}

export interface PlatformImage {
  readonly platform: string;
  /** Whether neither index nor config states the platform, so that the requested one was assumed. */
  readonly assumed: boolean;
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

/** The maximum number of index entries without a platform whose configs are read. */
const MAX_UNSTATED = 16;
/** The maximum number of nested indexes that are searched, to suggest the right one. */
const MAX_NESTED = 16;

async function fromIndex(root: Root, entries: readonly IndexEntry[]): Promise<PlatformImage[]> {
  const { reader, place, platforms, foreignLayers, signal } = root;
  const manifests = entries.filter(({ mediaType }) => isManifestType(mediaType));
  const stated = manifests.filter(({ platform }) => platform && !isAttestation(platform));
  let unstated: Promise<Candidate[]> | undefined;
  const images: PlatformImage[] = [];
  for (const platform of platforms) {
    let entry: Candidate | undefined = choosePlatform(stated, platform);
    if (entry === undefined) {
      unstated ??= readUnstated(root, manifests);
      const read = await unstated;
      entry = choosePlatform(read, platform) ?? withoutPlatform(read);
      if (entry === undefined)
        throw await missingFromIndex(root, entries, [...stated, ...read], platform);
    }
    const { bytes, contentType, asked } = await reader.manifest(place, entry.digest, signal);
    const document = readImageDocument(bytes, contentType, asked, foreignLayers);
    const manifest = { digest: entry.digest, size: bytes.length, mediaType: entry.mediaType };
    const assumed = entry.platform === undefined;
    const parts = imageOf(document, entry, bytes.length, asked);
    images.push({ platform, assumed, manifest, bytes, ...parts });
  }
  return images;
}

type Candidate = LockedBlob & { readonly platform: PlatformFields | undefined };

/** The entries whose platform the index does not state, with that of their configs; entries that are not images are omitted. */
async function readUnstated(
  { reader, place, foreignLayers, signal }: Root,
  manifests: readonly IndexEntry[],
): Promise<Candidate[]> {
  const read: Candidate[] = [];
  const unstated = manifests.filter(({ platform }) => platform === undefined);
  for (const entry of unstated.slice(0, MAX_UNSTATED)) {
    try {
      const { bytes, contentType, asked } = await reader.manifest(place, entry.digest, signal);
      const document = readImageDocument(bytes, contentType, asked, foreignLayers);
      if (document.kind !== 'image') continue;
      const config = parseRemote(await reader.small(place, document.config, signal), asked);
      read.push({ ...entry, platform: platformOf(config) });
    } catch (error) {
      const passed = ['source-unsupported', 'source-malformed', 'source-not-found'];
      if (!(error instanceof StowageError && passed.includes(error.code))) throw error;
    }
  }
  return read;
}

/** The only entry, if neither the index nor its config states a platform. */
function withoutPlatform(read: readonly Candidate[]): Candidate | undefined {
  const [only, ...more] = read;
  return more.length === 0 && only?.platform === undefined ? only : undefined;
}

/** Suggests the nested index that has the platform, if there is one. */
async function missingFromIndex(
  { reader, place, root, signal }: Root,
  entries: readonly IndexEntry[],
  candidates: readonly Candidate[],
  wanted: string,
): Promise<StowageError> {
  const nested = entries.filter(({ mediaType }) => isIndexType(mediaType)).slice(0, MAX_NESTED);
  for (const { digest } of nested) {
    const { bytes, contentType, asked } = await reader.manifest(place, digest, signal);
    const document = readImageDocument(bytes, contentType, asked);
    if (document.kind !== 'index' || choosePlatform(document.manifests, wanted) === undefined)
      continue;
    return new StowageError(
      'source-unsupported',
      `${root.asked.what} has its image for ${wanted} in a nested index`,
      {
        expected: `${wanted} in the index itself`,
        found: `${wanted} in the nested index ${digest}`,
        hint: `use that index as the source: ${repositoryName(place)}@${digest}`,
      },
    );
  }
  return platformMissing(
    root.asked,
    wanted,
    candidates.map((each) => each.platform),
  );
}

/** Requires that the media type and size of a manifest are those in its index. */
function imageOf(
  document: ImageDocument,
  entry: LockedBlob,
  size: number,
  asked: Asked,
): { config: LockedBlob; layers: readonly LockedLayer[] } {
  if (document.kind !== 'image' || document.mediaType !== entry.mediaType || size !== entry.size) {
    throw malformed(asked, {
      expected: `${entry.mediaType} of ${counted(entry.size, 'byte')}, as in its index`,
      found: `${document.mediaType} of ${counted(size, 'byte')}`,
    });
  }
  return { config: document.config, layers: document.layers };
}

/** The platform of an image without an index is in its config; if it is missing, the requested platform is assumed. */
async function fromManifest(
  { reader, place, root, platforms, signal }: Root,
  image: Extract<ImageDocument, { kind: 'image' }>,
): Promise<PlatformImage[]> {
  const { config, layers, mediaType } = image;
  const { bytes, digest, asked } = root;
  const stated = fieldsOf(parseRemote(await reader.small(place, config, signal), asked));
  const own = platformOf(stated);
  const platform = own ?? assumedPlatform(stated, platforms);
  return platforms.map((wanted) => {
    if (platform === undefined || choosePlatform([{ platform }], wanted) === undefined) {
      throw platformMissing(asked, wanted, platform === undefined ? [] : [platform]);
    }
    const manifest = { digest, size: bytes.length, mediaType };
    return { platform: wanted, assumed: own === undefined, manifest, config, layers, bytes };
  });
}

/** For a config without os or architecture: the missing part is taken from the only requested platform. */
function assumedPlatform(stated: Fields, platforms: readonly string[]): PlatformFields | undefined {
  const [os, architecture, variant] = platforms[0]?.split('/') ?? [];
  if (platforms.length !== 1) return undefined;
  return platformOf({ os, architecture, variant, ...definedOf(stated) });
}

function definedOf({ os, architecture, variant }: Fields): Fields {
  return Object.fromEntries(
    Object.entries({ os, architecture, variant }).filter(([, value]) => textOf(value, 64)),
  );
}
