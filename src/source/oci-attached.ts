import { type Digest, digestHex, isDigest } from '../core/digest.ts';
import { isSourceError, StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, sizeOf, textOf } from '../core/json.ts';
import type { LockedBlob } from '../format/locked-content.ts';
import { type Asked, malformed, parseRemote } from '../net/http-response.ts';
import type { Place } from '../net/registry-auth.ts';
import type { FetchedManifest, Reader } from './oci-reader.ts';

/** A blob of an attached artifact, with the fields of its descriptor. */
export interface AttachedLayer extends LockedBlob {
  readonly annotations: Readonly<Record<string, string>>;
}

/** An artifact that is attached to an image in a registry: cosign signatures, or any manifest that has the image as its subject. */
export interface Attached {
  /** `cosign` for the tag `sha256-<hex>.sig`; `referrer` for manifests in the referrers list (distribution specification 1.1). */
  readonly kind: 'cosign' | 'referrer';
  /** The artifact type; if the manifest does not state one, the media type of its config. */
  readonly artifactType: string;
  readonly manifest: LockedBlob;
  readonly bytes: Buffer;
  /** Absent if the manifest has no config with a SHA-256 digest. */
  readonly config?: LockedBlob;
  readonly layers: readonly AttachedLayer[];
}

/** The artifacts that are attached to an image, and those that could not be read. */
export interface AttachedTo {
  readonly found: readonly Attached[];
  readonly failures: readonly StowageError[];
}

const MEDIA_TYPE = /^[a-z0-9.+-]+\/[A-Za-z0-9.+_-]+$/;
const MAX_ATTACHED = 256;
const MAX_LAYERS = 1000;
const INDEX = 'application/vnd.oci.image.index.v1+json';
const MAX_ANNOTATION_CHARACTERS = 256 * 1024;

/**
 * Finds the artifacts that are attached to an image, without downloading their blobs. For registries without the
 * referrers API, the fallback tag of the specification is used. Artifacts that cannot be read are listed and skipped.
 * @throws StowageError other than `source-*`, such as `interrupted`
 */
export async function attachedTo(
  reader: Reader,
  place: Place,
  image: Digest,
  signal: AbortSignal,
): Promise<AttachedTo> {
  const found: Attached[] = [];
  const failures: StowageError[] = [];
  const attempt = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (error) {
      if (!isSourceError(error)) throw error;
      failures.push(error);
      return undefined;
    }
  };
  const tag = `sha256-${digestHex(image)}`;
  const manifest = (name: string): Promise<FetchedManifest | undefined> =>
    unlessAbsent(() => reader.manifest(place, name, signal));
  await attempt(async () => {
    const classic = await manifest(`${tag}.sig`);
    if (classic !== undefined) found.push(readAttached('cosign', classic));
  });
  const pages: ReferrersPage[] = [];
  let isListed = false;
  await attempt(async () => {
    for await (const page of reader.referrers(place, image, signal)) {
      isListed = page !== undefined;
      if (page !== undefined) pages.push(page);
    }
  });
  if (!isListed) {
    const instead = await attempt(() => manifest(tag));
    if (instead !== undefined) pages.push(instead);
  }
  const listed = await attempt(async () => listedIn(pages));
  for (const digest of listed?.digests.slice(0, MAX_ATTACHED) ?? []) {
    await attempt(async () => {
      const fetched = await manifest(digest);
      if (fetched === undefined) return;
      // The list comes from the registry; only the subject in the manifest itself shows what the artifact belongs to.
      const subject = fieldsOf(fieldsOf(parseRemote(fetched.bytes, fetched.asked))['subject']);
      if (subject['digest'] === image) found.push(readAttached('referrer', fetched));
    });
  }
  if (listed !== undefined && listed.digests.length > MAX_ATTACHED) {
    failures.push(
      malformed(listed.asked, {
        expected: `at most ${MAX_ATTACHED} referrers of one manifest`,
        found: `${listed.digests.length}: all after the first ${MAX_ATTACHED} were skipped`,
      }),
    );
  }
  return { found, failures };
}

type ReferrersPage = Pick<FetchedManifest, 'bytes' | 'asked'>;

/** What an index of referrers lists, signatures first, so that a long list does not displace them. */
function listedIn(
  pages: readonly ReferrersPage[],
): { readonly digests: readonly Digest[]; readonly asked: Asked } | undefined {
  const signatures = new Set<Digest>();
  const others = new Set<Digest>();
  for (const { bytes, asked } of pages) {
    const entries = fieldsOf(parseRemote(bytes, asked))['manifests'];
    if (!Array.isArray(entries)) {
      throw malformed(asked, { expected: 'an index of referrers', found: 'something else' });
    }
    for (const each of entries.map(fieldsOf)) {
      const digest = textOf(each['digest'], 256) ?? '';
      if (!isDigest(digest)) continue;
      const isSignature = /sigstore|cosign/.test(textOf(each['artifactType'], 255) ?? '');
      (isSignature ? signatures : others).add(digest);
    }
  }
  const [first] = pages;
  return first && { digests: [...new Set([...signatures, ...others])], asked: first.asked };
}

function readAttached(kind: Attached['kind'], fetched: FetchedManifest): Attached {
  const { bytes, digest, asked, contentType } = fetched;
  const document = fieldsOf(parseRemote(bytes, asked));
  const layers = document['layers'];
  if (Array.isArray(document['manifests']) || document['mediaType'] === INDEX) {
    throw new StowageError('source-unsupported', `${asked.what} is an index`, {
      expected: 'a manifest',
      found: 'an index',
      hint: 'attach each of its manifests to the image, if the site needs them',
    });
  }
  if (!Array.isArray(layers) || layers.length > MAX_LAYERS) {
    throw malformed(asked, {
      expected: `an artifact of at most ${MAX_LAYERS} layers`,
      found: 'something else',
    });
  }
  const config = fieldsOf(document['config']);
  const artifactType = textOf(document['artifactType'], 255) ?? textOf(config['mediaType'], 255);
  return {
    kind,
    artifactType: artifactType ?? '',
    ...(config['digest'] !== undefined && { config: blobOf(readLayer(config, asked)) }),
    manifest: {
      digest,
      size: bytes.length,
      mediaType: textOf(document['mediaType'], 255) ?? contentType,
    },
    bytes,
    layers: layers.map((each) => readLayer(fieldsOf(each), asked)),
  };
}

function blobOf({ digest, size, mediaType }: LockedBlob): LockedBlob {
  return { digest, size, mediaType };
}

function readLayer(layer: Fields, asked: Asked): AttachedLayer {
  const digest = textOf(layer['digest'], 256) ?? '';
  const size = sizeOf(layer['size']);
  const mediaType = textOf(layer['mediaType'], 255) ?? '';
  if (!isDigest(digest) || size === undefined || !MEDIA_TYPE.test(mediaType)) {
    throw malformed(asked, {
      expected: 'digest, size and media type of each layer',
      found: 'something else',
    });
  }
  const annotations: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [key, value] of Object.entries(fieldsOf(layer['annotations']))) {
    const text = textOf(value, MAX_ANNOTATION_CHARACTERS);
    if (text !== undefined) annotations[key] = text;
  }
  return { digest, size, mediaType, annotations };
}

async function unlessAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof StowageError && error.code === 'source-not-found') return undefined;
    throw error;
  }
}
