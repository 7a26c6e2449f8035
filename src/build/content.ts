import type { Digest } from '../core/digest.ts';
import type { LockedBlob, LockedModelFile } from '../format/lock.ts';

/** A manifest that we write to describe content, and the small blobs that it refers to. */
export interface Described {
  readonly manifest: LockedBlob;
  /** The manifest's bytes and its config's, by digest. */
  readonly documents: ReadonlyMap<Digest, Buffer>;
}

/** A reference to content, as OCI manifests and indexes carry it. */
export interface Descriptor extends LockedBlob {
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const MODEL_PACK = 'application/vnd.cncf.model';

/** The ModelPack layer type of a model's file: weights, their configuration, documents or code. All stored raw. */
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

/** What the weights are: the format named by most of a model's bytes. */
export function weightFormat(files: readonly LockedModelFile[]): string | undefined {
  const largest = files.toSorted((a, b) => b.size - a.size)[0]?.path ?? '';
  return /\.(safetensors|gguf|onnx)$/.exec(largest)?.[1];
}
