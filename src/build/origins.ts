import { createHash } from 'node:crypto';
import { resolve as resolvePath } from 'node:path';
import { type Digest, digestHex } from '../core/digest.ts';
import type { Lock } from '../format/lock.ts';
import type {
  LockedFile,
  LockedImage,
  LockedModel,
  LockedModelFile,
} from '../format/locked-content.ts';
import { isPathSource } from '../format/model-source.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Http } from '../net/http.ts';
import { foreignLayerOrigin } from '../source/foreign-layer.ts';
import type { FileState } from '../source/found-model.ts';
import type { Git } from '../source/git.ts';
import { gitBlobHash } from '../source/git-blob.ts';
import { httpsOrigin } from '../source/https.ts';
import type { Hub } from '../source/hugging-face.ts';
import { stableOrigin } from '../source/model-folder.ts';
import { type ModelClients, modelSourceOf } from '../source/model-sources.ts';
import type { Registry } from '../source/oci.ts';
import type { Origin } from '../source/origin.ts';

/** Clients for the sources on the connected machine. */
export interface Sources {
  readonly hub: Hub;
  readonly registry: Registry;
  readonly http: Http;
  readonly git: Git;
}

/** A blob that the lock names, with its source. */
export interface BlobRequest {
  readonly digest: Digest;
  readonly size: number;
  readonly expected: Expected;
  /** The model file that it contains, if any. */
  readonly model?: { readonly name: string; readonly path: string };
  readonly origin: () => Promise<Origin>;
  /** Its path and the name of its model, if it is a local file. */
  readonly local?: { readonly source: string; readonly name: string };
}

/**
 * Every blob in a lock that is downloaded as it is, or copied from a model's folder, without duplicates.
 * @param sources with the folder of the manifest
 */
export function blobRequests(lock: Lock, sources: Sources & ModelClients): BlobRequest[] {
  const requests = new Map<Digest, BlobRequest>();
  const add = (each: BlobRequest): void => {
    if (!requests.has(each.digest)) requests.set(each.digest, each);
  };
  for (const image of lock.images) for (const each of imageBlobs(image, sources)) add(each);
  for (const model of lock.models)
    for (const file of model.files.filter(({ from }) => from?.layer === undefined))
      add(modelFile(model, file, sources));
  for (const file of lock.files.filter(isHttps)) add(httpsFile(file, sources));
  return [...requests.values()];
}

function imageBlobs(image: LockedImage, { registry, http }: Sources): BlobRequest[] {
  const manifests = new Set([
    image.target.digest,
    ...image.platforms.map((each) => each.manifest),
    ...(image.attached ?? []).map((each) => each.digest),
  ]);
  return image.blobs.map(({ digest, size, urls }) => ({
    digest,
    size,
    expected: { key: digestHex(digest), size, digest, label: `image ${image.name}` },
    origin: async () => {
      if (manifests.has(digest)) return registry.manifestOrigin(image.repository, digest);
      return urls === undefined
        ? registry.blob(image.repository, digest)
        : foreignLayerOrigin(urls, http);
    },
  }));
}

/** The bytes of a model's file, at its source or beside the manifest. */
export async function modelFileOrigin(
  model: Pick<LockedModel, 'source' | 'repository' | 'commit'>,
  file: Pick<LockedModelFile, 'path' | 'digest' | 'from'>,
  sources: ModelClients,
): Promise<Origin> {
  if (file.from !== undefined && file.from.layer === undefined)
    return stableOrigin(resolvePath(sources.folder, file.from.path));
  return modelSourceOf(model.source, sources).file(model, file);
}

function modelFile(
  model: LockedModel,
  file: LockedModelFile,
  sources: Sources & ModelClients,
): BlobRequest {
  const folder = isPathSource(model.source) ? model.source.replace(/\/+$/, '') : undefined;
  const text = file.from?.layer === undefined ? file.from?.path : undefined;
  const local = text ?? (folder && `${folder}/${file.path}`);
  return {
    digest: file.digest,
    size: file.size,
    expected: expectedFile(file, `model ${model.name}: ${file.path}`),
    model: { name: model.name, path: file.path },
    origin: () => modelFileOrigin(model, file, sources),
    ...(local === undefined ? {} : { local: { source: local, name: model.name } }),
  };
}

function httpsFile(file: LockedFile, { http }: Sources): BlobRequest {
  return {
    digest: file.digest,
    size: file.size,
    expected: expectedFile(file, `files ${file.name}`),
    origin: async () => httpsOrigin(file.source, http),
  };
}

function expectedFile({ digest, size }: LockedModelFile | LockedFile, label: string): Expected {
  return { key: digestHex(digest), size, digest, label };
}

/** Whether the source of a file or tree is a local path. */
export function isLocal(file: LockedFile): boolean {
  return !isHttps(file) && file.git === undefined;
}

function isHttps({ source }: LockedFile): boolean {
  return source.startsWith('https://');
}

/** The check for a Hub file that is not in LFS: its git blob hash and its size. */
export function expectedByGitOid(oid: string, size: number): Expected {
  return {
    key: `git-${oid}`,
    size,
    check: { ...gitBlobHash(size), expected: oid, name: 'git blob' },
  };
}

/** A key that identifies a partial copy of a local or https file. */
export function sourceKey(source: string): string {
  return `source-${createHash('sha256').update(source).digest('hex')}`;
}

/** What the store records of a blob that was read from a local file, under the state of that file. */
export function factOf({ key }: FileState): string {
  return `local-${key}`;
}
