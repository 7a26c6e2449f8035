import type { LockedModel, LockedModelFile } from '../format/locked-content.ts';
import { type Described, type Descriptor, describeArtifact, TITLE } from './artifact.ts';

const MODEL_PACK = 'application/vnd.cncf.model';

/**
 * The CNCF ModelPack manifest of a model: one raw layer per file, so that a layer's digest is the digest of the file.
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
  const source = model.origin === undefined ? addressOf(model) : undefined;
  const config = {
    descriptor: {
      name: model.repository,
      revision: model.commit,
      ...(source === undefined ? {} : { sourceURL: source }),
      ...(model.license === undefined ? {} : { licenses: [model.license] }),
    },
    config: format === undefined ? {} : { format },
    modelfs: { type: 'layers', diffIds: model.files.map((file) => file.digest) },
  };
  return describeArtifact({
    artifactType: `${MODEL_PACK}.manifest.v1+json`,
    configType: `${MODEL_PACK}.config.v1+json`,
    config,
    layers,
  });
}

/** Where a model was read: its page on a Hub, or its origin. */
export function addressOf({ endpoint, repository, origin }: LockedModel): string {
  return origin?.uri ?? `${endpoint}/${repository}`;
}

/** The ModelPack layer type of a file: weights, their configuration, documents or code. All are stored raw. */
export function modelPackType(path: string): string {
  if (/\.(py|jinja)$/i.test(path)) return `${MODEL_PACK}.code.v1.raw`;
  if (/\.(json|ya?ml|txt|model|tiktoken|toml)$/i.test(path))
    return `${MODEL_PACK}.weight.config.v1.raw`;
  if (
    /(\.(md|pdf|png|jpe?g|svg|html?)|(^|\/)(LICENSE|NOTICE|USE_POLICY)[^/]*|\.git[a-z]+)$/i.test(
      path,
    )
  ) {
    return `${MODEL_PACK}.doc.v1.raw`;
  }
  return `${MODEL_PACK}.weight.v1.raw`;
}

/** The weight format, determined by the largest file. */
export function weightFormat(files: readonly LockedModelFile[]): string | undefined {
  const largest = files.toSorted((a, b) => b.size - a.size)[0]?.path ?? '';
  return /\.(safetensors|gguf|onnx)$/.exec(largest)?.[1];
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
