import { type Digest, digestOf } from '../core/digest.ts';
import { canonicalBytes, type Json } from '../core/json.ts';
import type { LockedAttachment, LockedBlob } from '../format/locked-content.ts';

/** The OCI manifest of an item, and the small blobs that Stowage generates for it. */
export interface Described {
  readonly manifest: LockedBlob;
  /** The bytes of a generated manifest and of its config, by digest; empty if the manifest was copied from a registry. */
  readonly documents: ReadonlyMap<Digest, Buffer>;
  /** Further manifests in the bundle: those of platforms and attachments. */
  readonly attached?: readonly LockedAttachment[];
}

/** An OCI descriptor, as in manifests and indexes. */
export interface Descriptor extends LockedBlob {
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The fields of a generated artifact manifest. */
export interface Artifact {
  readonly artifactType: string;
  readonly configType: string;
  readonly config: Json;
  readonly layers: readonly Descriptor[];
  /** The manifest that it refers to. */
  readonly subject?: LockedBlob;
}

export const TITLE = 'org.opencontainers.image.title';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** The manifest and config of an artifact. Their bytes do not depend on the time or the machine. */
export function describeArtifact(artifact: Artifact): Described {
  const { artifactType, configType, config, layers, subject } = artifact;
  const configBytes = canonicalBytes(config);
  const configDigest = digestOf(configBytes);
  const bytes = canonicalBytes({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType,
    config: { mediaType: configType, digest: configDigest, size: configBytes.length },
    layers: layers as unknown as Json,
    ...(subject === undefined ? {} : { subject: subject as unknown as Json }),
  });
  const digest = digestOf(bytes);
  return {
    manifest: { digest, size: bytes.length, mediaType: MANIFEST_TYPE },
    documents: new Map<Digest, Buffer>([
      [digest, bytes],
      [configDigest, configBytes],
    ]),
  };
}
