import type { Digest } from '../core/digest.ts';
import { fieldsOf, listOf, textOf } from '../core/json.ts';
import { counted } from '../core/text.ts';
import type { LockedBlob } from '../format/locked-content.ts';
import { chartTypes } from '../format/rendered-content.ts';
import type { Http } from '../net/http.ts';
import { malformed, parseRemote } from '../net/http-response.ts';
import type { Place } from '../net/registry-auth.ts';
import { createRegistryClient } from '../net/registry-client.ts';
import type { CredentialStore } from '../net/registry-credentials.ts';
import { type AttachedTo, attachedTo } from './oci-attached.ts';
import { readDescriptor } from './oci-manifest.ts';
import { createReader, type FetchedManifest, type Reader } from './oci-reader.ts';
import { type ResolvedImage, resolveImage } from './oci-resolve.ts';
import type { Origin } from './origin.ts';
import { parseReference, repositoryName } from './reference.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const MAX_CONFIG_BYTES = 1_048_576;

/** A chart in a registry. */
export interface ResolvedChart {
  /** `registry/repository`. */
  readonly repository: string;
  readonly manifest: LockedBlob;
  /** Its exact bytes. */
  readonly bytes: Buffer;
  /** The config, the archive and, if there is one, the signature file. */
  readonly blobs: readonly LockedBlob[];
  readonly archive: LockedBlob;
}

/**
 * Resolves a chart in a registry.
 * @param reference with a tag or a digest
 * @param maxBytes of the archive
 * @throws StowageError `source-not-found`, `source-malformed` for other content than a chart, other `source-*`
 */
export async function resolveChart(
  reader: Reader,
  { reference, maxBytes }: { readonly reference: string; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<ResolvedChart> {
  const place = parseReference(reference);
  const found = await reader.manifest(place, place.digest ?? place.tag ?? 'latest', signal);
  const { bytes, digest, asked } = found;
  const fields = fieldsOf(parseRemote(bytes, asked));
  const refused = (expected: string, seen: string): Error =>
    malformed(asked, { expected, found: seen });
  const blob = (value: unknown, max: number): LockedBlob => {
    const each = readDescriptor(fieldsOf(value), asked);
    if (each.size > max) throw refused(`at most ${max} bytes`, counted(each.size, 'byte'));
    return each;
  };
  const config = blob(fields['config'], MAX_CONFIG_BYTES);
  if (config.mediaType !== chartTypes.config)
    throw refused(
      `a Helm chart: a config of type ${chartTypes.config}`,
      config.mediaType || 'no config',
    );
  const layers = listOf(fields['layers']).map((each) => blob(each, maxBytes));
  const contents = layers.filter(({ mediaType }) => mediaType === chartTypes.content);
  const others = layers.filter(({ mediaType }) => mediaType !== chartTypes.content);
  const [archive] = contents;
  const strange = others.find(({ mediaType }) => mediaType !== chartTypes.provenance);
  if (archive === undefined || contents.length > 1 || others.length > 1 || strange !== undefined)
    throw refused(
      'one layer with the chart, and at most one with its signature',
      strange?.mediaType ??
        `${counted(contents.length, 'chart')} and ${counted(others.length, 'signature')}`,
    );
  return {
    repository: repositoryName(place),
    manifest: {
      ...{ digest, size: bytes.length },
      mediaType: textOf(fields['mediaType'], 255) ?? (found.contentType || MANIFEST),
    },
    ...{ bytes, archive, blobs: [config, archive, ...others] },
  };
}

export type { CredentialStore } from '../net/registry-credentials.ts';
export type { Attached, AttachedLayer, AttachedTo } from './oci-attached.ts';
export type { ResolvedImage } from './oci-resolve.ts';

/** Access to OCI and Docker registries. */
export interface Registry {
  /**
   * Resolves an image reference.
   * @param platforms such as `linux/amd64`
   * @param foreignLayers whether layers that the registry does not store are allowed
   * @throws StowageError `source-not-found` (with the available platforms, if one is missing),
   * `source-unsupported`, other `source-*`, `manifest-invalid`
   */
  resolve(
    source: string,
    platforms: readonly string[],
    signal: AbortSignal,
    foreignLayers?: boolean,
  ): Promise<ResolvedImage>;
  /**
   * Resolves a Helm chart by a reference with a tag or a digest.
   * @param maxBytes of its archive
   * @throws StowageError `source-not-found`, `source-malformed`, other `source-*`
   */
  chart(reference: string, maxBytes: number, signal: AbortSignal): Promise<ResolvedChart>;
  /** @param repository `registry/repository` */
  blob(repository: string, digest: Digest): Origin;
  /** The manifest or index of a reference, whatever it describes. @throws StowageError `source-*`, `manifest-invalid` */
  document(source: string, signal: AbortSignal): Promise<FetchedManifest>;
  manifest(
    repository: string,
    digest: Digest,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: Buffer; readonly mediaType: string }>;
  /** Signatures and other artifacts that are attached to an image, and those that cannot be read. */
  attached(repository: string, image: Digest, signal: AbortSignal): Promise<AttachedTo>;
  /** A whole blob of at most 4 MiB. @throws StowageError `source-mismatch`, other `source-*` */
  small(repository: string, blob: LockedBlob, signal: AbortSignal): Promise<Buffer>;
  /** A manifest as a blob, so that all blobs of an image can be pulled in the same way. */
  manifestOrigin(repository: string, digest: Digest): Origin;
}

export interface RegistryOptions {
  readonly credentials: CredentialStore;
  readonly http: Http;
  /** Hosts, with their port, that may be contacted without TLS. This machine always may. */
  readonly insecure?: readonly string[];
  readonly now?: () => number;
}

export function createRegistry(options: RegistryOptions): Registry {
  return registryOf(createReader(options.http, createRegistryClient(options)));
}

/** A registry, or local files that are read as one. */
export function registryOf(reader: Reader): Registry {
  return {
    resolve: (source, platforms, signal, foreignLayers = false) =>
      resolveImage(reader, { source, platforms, signal, foreignLayers }),
    document: async (source, signal) => {
      const reference = parseReference(source);
      return reader.manifest(reference, reference.digest ?? reference.tag ?? 'latest', signal);
    },
    chart: (reference, maxBytes, signal) => resolveChart(reader, { reference, maxBytes }, signal),
    blob: (repository, digest) => reader.blob(parsePlace(repository), digest),
    manifest: async (repository, digest, signal) => {
      const { bytes, contentType, asked } = await reader.manifest(
        parsePlace(repository),
        digest,
        signal,
      );
      const written = textOf(fieldsOf(parseRemote(bytes, asked))['mediaType'], 255);
      return { bytes, mediaType: written ?? contentType };
    },
    attached: (repository, image, signal) =>
      attachedTo(reader, parsePlace(repository), image, signal),
    small: (repository, blob, signal) => reader.small(parsePlace(repository), blob, signal),
    manifestOrigin: (repository, digest) => ({
      description: `${repository}@${digest}`,
      open: async (offset, signal) => {
        const { bytes } = await reader.manifest(parsePlace(repository), digest, signal);
        return once(bytes.subarray(offset));
      },
    }),
  };
}

/** Parses `registry/repository` from a lock. @throws StowageError `manifest-invalid` */
function parsePlace(repository: string): Place {
  return parseReference(repository);
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
