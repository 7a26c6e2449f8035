import type { Digest } from '../core/digest.ts';
import { fieldsOf, textOf } from '../core/json.ts';
import type { LockedBlob } from '../format/locked-content.ts';
import type { Http } from '../net/http.ts';
import { parseRemote } from '../net/http-response.ts';
import type { Place } from '../net/registry-auth.ts';
import { createRegistryClient } from '../net/registry-client.ts';
import type { CredentialStore } from '../net/registry-credentials.ts';
import { type AttachedTo, attachedTo } from './oci-attached.ts';
import { type ResolvedChart, resolveChart } from './oci-chart.ts';
import { createReader, type FetchedManifest, type Reader } from './oci-reader.ts';
import { type ResolvedImage, resolveImage } from './oci-resolve.ts';
import type { Origin } from './origin.ts';
import { parseReference } from './reference.ts';

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
