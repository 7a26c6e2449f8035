import { type Digest, digestOf, isDigest } from '../core/digest.ts';
import { fieldsOf, listOf, sizeOf, textOf } from '../core/json.ts';
import { MAX_PATH_BYTES } from '../core/limits.ts';
import { pathDefect } from '../core/safe-path.ts';

/** The artifactType of a bundle in a registry (image-spec 1.1, "Guidelines for Artifact Usage"). */
export const BUNDLE_TYPE = 'application/vnd.stowage.bundle.v1';
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const FILE_TYPE = 'application/vnd.stowage.bundle.file.v1';
const TITLE = 'org.opencontainers.image.title';

/** The empty config of an artifact (image-spec 1.1, "Guidance for an Empty Descriptor"). */
export const EMPTY: Buffer = Buffer.from('{}');
const EMPTY_CONFIG = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf(EMPTY),
  size: EMPTY.length,
};

/** A file of a bundle as a blob of a registry. */
export interface ArtifactFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
}

/** The manifest of a bundle in a registry: each of its files is a layer, byte for byte. */
export function writeArtifact(files: readonly ArtifactFile[]): Buffer {
  const layers = files.map(({ path, size, digest }) => ({
    ...{ mediaType: FILE_TYPE, digest, size },
    annotations: { [TITLE]: path },
  }));
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: BUNDLE_TYPE,
    config: EMPTY_CONFIG,
    layers,
  };
  return Buffer.from(JSON.stringify(manifest));
}

/**
 * Reads the list of files from a manifest. It only says where the bytes are: what they must be is signed.
 * @param value parsed JSON
 * @returns the files, or what is wrong
 */
export function readArtifact(value: unknown): readonly ArtifactFile[] | string {
  const document = fieldsOf(value);
  if (document['schemaVersion'] !== 2 || 'manifests' in document)
    return 'no manifest of an artifact';
  if (document['artifactType'] !== BUNDLE_TYPE)
    return `the type ${JSON.stringify(textOf(document['artifactType'], 100) ?? 'none')}`;
  const files = new Map<string, ArtifactFile>();
  for (const layer of listOf(document['layers'])) {
    const path = textOf(fieldsOf(layer['annotations'])[TITLE], MAX_PATH_BYTES) ?? '';
    const digest = textOf(layer['digest']) ?? '';
    const size = sizeOf(layer['size']);
    if (pathDefect(path) !== undefined) return `a layer with the path ${JSON.stringify(path)}`;
    if (files.has(path)) return `${path} twice`;
    if (!isDigest(digest) || size === undefined) return `${path} without digest or size`;
    files.set(path, { path, size, digest });
  }
  return [...files.values()];
}
