import { canonicalBytes, type Json } from '../core/canonical-json.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import type { LockedFile, LockedModel } from '../format/lock.ts';
import { type Described, type Descriptor, modelPackType, weightFormat } from './content.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const TITLE = 'org.opencontainers.image.title';

/**
 * The CNCF ModelPack manifest of a model: one raw layer a file, so that a layer's digest is the file's own.
 * Nothing in it depends on when or where it was written.
 */
export function describeModel(model: LockedModel): Described {
  const titles = flatTitles(model.files.map((file) => file.path));
  const layers = model.files.map(
    (file): Descriptor => ({
      digest: file.digest,
      size: file.size,
      mediaType: modelPackType(file.path),
      annotations: {
        'org.cncf.model.filepath': file.path,
        [TITLE]: titles.get(file.path) ?? file.path,
      },
    }),
  );
  const format = weightFormat(model.files);
  const config = {
    descriptor: {
      name: model.repository,
      revision: model.commit,
      sourceURL: `${model.endpoint}/${model.repository}`,
      ...(model.license === undefined ? {} : { licenses: [model.license] }),
    },
    config: format === undefined ? {} : { format },
    modelfs: { type: 'layers', diffIds: model.files.map((file) => file.digest) },
  };
  return describe(
    'application/vnd.cncf.model.manifest.v1+json',
    'application/vnd.cncf.model.config.v1+json',
    config,
    layers,
  );
}

/** The manifest of a file or a tree of ours: an artifact with one layer. */
export function describeFile(file: LockedFile): Described {
  const layer: Descriptor = {
    digest: file.digest,
    size: file.size,
    mediaType:
      file.kind === 'tree' ? 'application/vnd.oci.image.layer.v1.tar' : 'application/octet-stream',
    annotations: { [TITLE]: file.kind === 'tree' ? `${file.path}.tar` : file.path },
  };
  return describe('application/vnd.stowage.files.v1', 'application/vnd.oci.empty.v1+json', {}, [
    layer,
  ]);
}

function describe(
  artifactType: string,
  configType: string,
  config: Json,
  layers: readonly Descriptor[],
): Described {
  const configBytes = canonicalBytes(config);
  const configDigest = digestOf(configBytes);
  const bytes = canonicalBytes({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType,
    config: { mediaType: configType, digest: configDigest, size: configBytes.length },
    layers: layers as unknown as Json,
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

// Engines name files by their title, which must be flat and unique.
function flatTitles(paths: readonly string[]): Map<string, string> {
  const taken = new Set<string>();
  const titles = new Map<string, string>();
  for (const path of paths) {
    let title = path.replaceAll('/', '_');
    while (taken.has(title)) title = `_${title}`;
    taken.add(title);
    titles.set(path, title);
  }
  return titles;
}
