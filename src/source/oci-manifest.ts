import { type Digest, isDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, sizeOf, textOf } from '../core/json.ts';
import { counted } from '../core/text.ts';
import type { LockedBlob, LockedLayer } from '../format/locked-content.ts';
import { oneLine, pointsToLocal } from '../net/address.ts';
import { type Asked, malformed, parseRemote } from '../net/http-response.ts';
import { describeHttps } from './https.ts';

export interface PlatformFields {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** The default variant of each architecture in container engines. */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { arm64: 'v8', arm: 'v7', amd64: 'v1' };

/** The platform that an index entry or an image config states; undefined if the os or the architecture is missing. */
export function platformOf(value: unknown): PlatformFields | undefined {
  const { os, architecture, variant } = fieldsOf(value);
  const fields = { os: textOf(os, 64), architecture: textOf(architecture, 64) };
  if (!fields.os || !fields.architecture) return undefined;
  const known = textOf(variant, 64);
  return { os: fields.os, architecture: fields.architecture, ...(known && { variant: known }) };
}

/** In the form `linux/arm64/v8`. */
export function platformName({ os, architecture, variant }: PlatformFields): string {
  return oneLine([os, architecture, variant].filter(Boolean).join('/'), 80);
}

/**
 * Selects the entry for a platform such as `linux/arm64/v8`. Without a variant, the default variant is selected
 * (arm64 is v8, arm is v7), or else the only entry.
 */
export function choosePlatform<T extends { readonly platform: PlatformFields | undefined }>(
  candidates: readonly T[],
  wanted: string,
): T | undefined {
  const [os, architecture = '', variant] = wanted.split('/');
  const fitting = candidates.filter(
    ({ platform }) => platform?.os === os && platform?.architecture === architecture,
  );
  const usual = variant ?? DEFAULT_VARIANTS[architecture];
  const exact = fitting.find(
    ({ platform }) => (platform?.variant ?? DEFAULT_VARIANTS[architecture]) === usual,
  );
  if (exact !== undefined || variant !== undefined) return exact;
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** Attestations are listed in an index with platform unknown/unknown; they are not images. */
export function isAttestation({ os, architecture }: PlatformFields): boolean {
  return os === 'unknown' || architecture === 'unknown';
}

/** The error for an image that lacks a platform. */
export function platformMissing(
  { what }: Asked,
  wanted: string,
  has: readonly (PlatformFields | undefined)[],
): StowageError {
  const names = has.map((each) =>
    each === undefined ? 'an unnamed platform' : platformName(each),
  );
  return new StowageError('source-not-found', `${what} has no image for ${wanted}`, {
    expected: wanted,
    found: names.slice(0, 32).join(', ') || 'no platforms',
    hint: 'use another tag, or correct the platforms in the manifest',
  });
}

/** image-spec 1.1, and Docker's image manifest version 2, schema 2. */
const INDEXES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const MANIFESTS = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const CONFIGS = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
/** Layers that container engines unpack: tar, uncompressed or compressed with gzip or zstd. */
const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.(?:gzip|zstd))?)$/;
const MEDIA_TYPE = /^[a-z0-9.+-]+\/[A-Za-z0-9.+_-]+$/;
const MAX_ENTRIES = 1000;
const MAX_URLS = 8;

/** The Accept header of a client that supports both OCI and Docker manifests. */
export const acceptManifests: string = [...MANIFESTS, ...INDEXES].join(', ');

export interface IndexEntry extends LockedBlob {
  readonly platform: PlatformFields | undefined;
}

export type ImageDocument =
  | {
      readonly kind: 'index';
      readonly mediaType: string;
      /** The valid entries; like other clients, we skip malformed ones. */
      readonly manifests: IndexEntry[];
    }
  | {
      readonly kind: 'image';
      readonly mediaType: string;
      readonly config: LockedBlob;
      readonly layers: LockedLayer[];
    };

/**
 * Reads an image index or an image manifest.
 * @param contentType the Content-Type header of the response
 * @param foreignLayers whether layers that are not in the registry are allowed, over https
 * @throws StowageError `source-malformed`; `source-unsupported` for schema 1, artifacts and foreign layers
 */
export function readImageDocument(
  bytes: Uint8Array,
  contentType: string,
  asked: Asked,
  foreignLayers = false,
): ImageDocument {
  const document = fieldsOf(parseRemote(bytes, asked));
  if (document['schemaVersion'] === 1) {
    throw unsupported(
      asked,
      'Docker image manifest schema 1',
      'push the image again with a current version of docker or podman',
    );
  }
  const mediaType = documentType(document, contentType, asked);
  // CVE-2021-41190: a document that some readers treat as an index and others as a manifest.
  const both = 'manifests' in document && ('layers' in document || 'config' in document);
  if (both || document['schemaVersion'] !== 2) {
    throw malformed(asked, {
      expected: 'either an index or a manifest, of schema version 2',
      found: 'both, or neither',
    });
  }
  if (INDEXES.includes(mediaType)) {
    const manifests = listOf(document['manifests'], asked).flatMap((each) => {
      const descriptor = descriptorOf(each);
      return descriptor === undefined
        ? []
        : { ...descriptor, platform: platformOf(each['platform']) };
    });
    return { kind: 'index', mediaType, manifests };
  }
  const config = readDescriptor(fieldsOf(document['config']), asked);
  if (!CONFIGS.includes(config.mediaType)) {
    throw unsupported(
      asked,
      `an artifact with a config of ${config.mediaType}`,
      'use a container image; add models from a Hub under "models"',
    );
  }
  const layers = listOf(document['layers'], asked).map((each) =>
    readLayer(each, asked, foreignLayers),
  );
  return { kind: 'image', mediaType, config, layers };
}

/** Whether an entry of an index can be an image manifest. */
export function isManifestType(mediaType: string): boolean {
  return MANIFESTS.includes(mediaType);
}

/** Whether an entry of an index is an index itself. */
export function isIndexType(mediaType: string): boolean {
  return INDEXES.includes(mediaType);
}

function documentType(document: Fields, contentType: string, asked: Asked): string {
  const known = [...INDEXES, ...MANIFESTS];
  const sent = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const written = document['mediaType'];
  const type = written ?? sent;
  if (typeof type !== 'string' || !known.includes(type)) {
    throw unsupported(
      asked,
      `a document of ${oneLine(String(type), 100) || 'no type'}`,
      'use a container image',
    );
  }
  if (known.includes(sent) && sent !== type) {
    throw malformed(asked, {
      expected: `the media type of its Content-Type header: ${sent}`,
      found: type,
    });
  }
  return type;
}

function listOf(value: unknown, asked: Asked): Fields[] {
  if (Array.isArray(value) && value.length <= MAX_ENTRIES) return value.map(fieldsOf);
  throw malformed(asked, {
    expected: `a list of at most ${MAX_ENTRIES} descriptors`,
    found: 'something else',
  });
}

function readLayer(layer: Fields, asked: Asked, foreignLayers: boolean): LockedLayer {
  const descriptor = readDescriptor(layer, asked);
  if (!LAYER.test(descriptor.mediaType)) throw notUnpacked(asked, descriptor.mediaType);
  const listed = Array.isArray(layer['urls']) ? layer['urls'] : [];
  const urls = listed.map((each) => textOf(each, 2048) ?? '').slice(0, MAX_URLS);
  if (foreignLayers && urls.length > 0) {
    for (const each of urls) {
      describeHttps(each);
      if (pointsToLocal(new URL(each), asked.url))
        throw malformed(asked, {
          expected: 'layers from elsewhere',
          found: 'an address of this machine or its link',
        });
    }
    return { ...descriptor, urls };
  }
  if (listed.length > 0 || /nondistributable|foreign/.test(descriptor.mediaType)) {
    throw unsupported(
      asked,
      `a layer that its registry does not hold (${descriptor.mediaType})`,
      urls.length > 0
        ? 'add foreignLayers: true to the image, if their license allows redistribution'
        : 'use an image without foreign layers',
    );
  }
  return descriptor;
}

function notUnpacked(asked: Asked, mediaType: string): StowageError {
  const found = `a layer of ${mediaType}, which container engines do not unpack`;
  if (mediaType.startsWith('application/vnd.ollama.')) {
    const hint =
      'an Ollama model is not an image: add its repository on the Hub under "models", or its GGUF file under "files"';
    return unsupported(asked, found, hint);
  }
  if (mediaType.endsWith('+encrypted'))
    return unsupported(
      asked,
      found,
      'decrypt it first, for example with skopeo copy --decryption-key',
    );
  return unsupported(
    asked,
    found,
    'use a container image; download the content of an artifact (oras pull) and add it under "files"',
  );
}

/** @throws StowageError `source-malformed`, `source-unsupported` */
export function readDescriptor(descriptor: Fields, asked: Asked): LockedBlob {
  const digest = textOf(descriptor['digest'], 256);
  if (digest !== undefined && /^sha512:[0-9a-f]{128}$/.test(digest)) {
    throw unsupported(asked, 'a blob named by SHA-512', 'use an image with SHA-256 digests');
  }
  const read = descriptorOf(descriptor);
  if (read !== undefined) return read;
  throw malformed(asked, {
    expected: 'digest, size and media type of each blob',
    found: oneLine(`${digest}`, 100),
  });
}

function descriptorOf(descriptor: Fields): LockedBlob | undefined {
  const digest = textOf(descriptor['digest'], 256) ?? '';
  const size = sizeOf(descriptor['size']);
  const mediaType = textOf(descriptor['mediaType'], 255) ?? '';
  if (!isDigest(digest) || size === undefined || !MEDIA_TYPE.test(mediaType)) return undefined;
  return { digest, size, mediaType };
}

/**
 * Each blob once, in the order of their first mention.
 * @throws StowageError `source-malformed` when two descriptors disagree about one digest
 */
export function uniqueBlobs(blobs: Iterable<LockedLayer>, asked: Asked): LockedLayer[] {
  const unique = new Map<Digest, LockedLayer>();
  for (const { digest, size, mediaType, urls } of blobs) {
    const seen = unique.get(digest);
    if (seen === undefined) unique.set(digest, { digest, size, mediaType, ...(urls && { urls }) });
    else if (seen.size !== size) {
      throw malformed(asked, {
        expected: `one size for ${digest}`,
        found: `${seen.size} and ${counted(size, 'byte')}`,
      });
    }
  }
  return [...unique.values()];
}

function unsupported({ what }: Asked, found: string, hint: string): StowageError {
  return new StowageError('source-unsupported', `${what} is not a supported image`, {
    expected: 'an OCI or Docker (schema 2) container image',
    found,
    hint,
  });
}
