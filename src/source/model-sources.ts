import { digestFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { isHubSource } from '../format/source.ts';
import type { Http } from '../net/http.ts';
import { bundleModels, type OpenBundle } from './bundle-models.ts';
import type { Hub, HubFile } from './hugging-face.ts';
import { listedModels } from './list-models.ts';
import { folderModels } from './model-folder.ts';
import type { Registry } from './oci.ts';
import { registryModels } from './oci-model.ts';
import type { FoundFile, ModelSourceKind } from './origin.ts';
import { s3Models } from './s3-models.ts';
import type { S3Settings } from './s3-settings.ts';

/** What the sources of models need. */
export interface ModelClients {
  readonly hub: Hub;
  readonly registry: Registry;
  readonly http: Http;
  readonly s3: () => Promise<S3Settings>;
  /** Opens a bundle as a source of models. */
  readonly openBundle?: OpenBundle;
  /** The folder of the manifest, which paths are relative to. */
  readonly folder: string;
}

/** Every kind of source that models can have. */
const kinds: readonly ((clients: ModelClients) => ModelSourceKind)[] = [
  hubModels,
  folderModels,
  registryModels,
  listedModels,
  s3Models,
  bundleModels,
];

/** The kind of a source in a manifest or a lock. @throws StowageError `source-unsupported` */
export function modelSourceOf(source: string, clients: ModelClients): ModelSourceKind {
  const found = kinds.map((kind) => kind(clients)).find((kind) => kind.reads(source));
  if (found !== undefined) return found;
  throw new StowageError('source-unsupported', 'unknown source of a model', {
    expected: 'hf://, hf+https://, oci://, ollama://, s3://, https://, bundle: or a path',
    found: JSON.stringify(source.slice(0, 160)),
    hint: 'run stowage check, which names the lines to write',
  });
}

function hubModels({ hub }: ModelClients): ModelSourceKind {
  return {
    reads: isHubSource,
    resolve: async ({ source }, signal) => {
      const { files, ...model } = await hub.resolve(source, signal);
      return { ...model, files: files.map(hubFile) };
    },
    file: (owner, { path }) => hub.file(owner, path),
  };
}

function hubFile({ lfsSha256, ...file }: HubFile): FoundFile {
  return { ...file, ...(lfsSha256 === undefined ? {} : { digest: digestFromHex(lfsSha256) }) };
}
