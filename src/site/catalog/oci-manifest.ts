import { type Digest, isDigest } from '../../core/digest.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../../core/limits.ts';
import type { BlobStore } from '../../io/blob-store.ts';

/** The properties of a stored manifest or index. */
export interface StoredManifest {
  readonly mediaType: string;
  /** Bytes of the manifest itself. */
  readonly size: number;
  /** Its config and layers. */
  readonly blobs: readonly Digest[];
  /** The manifests that an index lists. */
  readonly manifests: readonly Digest[];
  readonly annotations?: Readonly<Record<string, string>>;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

type Listed = readonly { readonly digest?: unknown }[];

/** Reads a manifest and checks it against its digest again. @throws StowageError `blob-damaged` */
export async function readManifest(store: BlobStore, digest: Digest): Promise<StoredManifest> {
  const bytes = await store.read(digest, MAX_OCI_MANIFEST_BYTES);
  const manifest = JSON.parse(bytes.toString('utf8')) as {
    mediaType?: string;
    config?: { digest?: unknown };
    layers?: Listed;
    manifests?: Listed;
    annotations?: Readonly<Record<string, string>>;
  };
  const { config, layers = [], manifests = [], annotations } = manifest;
  return {
    mediaType: manifest.mediaType ?? (manifest.manifests === undefined ? MANIFEST : INDEX),
    size: bytes.length,
    blobs: digestsOf(config === undefined ? layers : [config, ...layers]),
    manifests: digestsOf(manifests),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function digestsOf(listed: Listed): Digest[] {
  return listed.flatMap(({ digest }) =>
    typeof digest === 'string' && isDigest(digest) ? [digest] : [],
  );
}
