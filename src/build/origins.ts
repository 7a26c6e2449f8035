import { createHash } from 'node:crypto';
import { resolve as resolvePath } from 'node:path';
import type { Environment } from '../core/context.ts';
import { type Digest, digestHex } from '../core/digest.ts';
import type { Lock } from '../format/lock.ts';
import {
  type LockedBlob,
  type LockedFile,
  type LockedImage,
  type LockedModel,
  type LockedModelFile,
  sourceRead,
} from '../format/locked-content.ts';
import type { LockedChart } from '../format/rendered-content.ts';
import { isPathSource, isStored, localImageOf } from '../format/source.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Http } from '../net/http.ts';
import type { Git } from '../source/git.ts';
import { gitBlobHash } from '../source/git-objects.ts';
import { foreignLayerOrigin, httpsOrigin } from '../source/https.ts';
import type { Hub } from '../source/hugging-face.ts';
import { openImage } from '../source/local-images.ts';
import { type ModelClients, modelSourceOf } from '../source/model-sources.ts';
import type { Registry } from '../source/oci.ts';
import type { FileState, Origin } from '../source/origin.ts';
import { parseReference, repositoryName } from '../source/reference.ts';
import { stableOrigin } from '../source/stable-file.ts';

/** Clients for the sources on the connected machine. */
export interface Sources {
  readonly hub: Hub;
  readonly registry: Registry;
  readonly http: Http;
  /** The settings of S3, which are read on first use. */
  readonly s3: ModelClients['s3'];
  /** Opens a bundle as a source of models. */
  readonly openBundle?: NonNullable<ModelClients['openBundle']>;
  readonly git: Git;
  /**
   * For podman and docker, which export images from their storage (by default that of this process), and for helm and kubectl, which
   * get only its `PATH`.
   */
  readonly env?: Environment;
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
  /** The item of the lock that it was requested for. */
  readonly item: LockedImage | LockedModel | LockedFile | LockedChart;
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
  for (const chart of lock.charts ?? []) for (const each of chartBlobs(chart, sources)) add(each);
  return [...requests.values()];
}

function imageBlobs(
  image: LockedImage,
  { registry: remote, http, folder }: Sources & ModelClients,
): BlobRequest[] {
  const source = sourceRead(image);
  const local = localImageOf(source);
  // Those of an engine's storage are exported together.
  if (local !== undefined && isStored(local)) return [];
  let opened: Promise<Registry> | undefined;
  const registryOf = (): Promise<Registry> => {
    if (local === undefined) return Promise.resolve(remote);
    opened ??= openImage(local, folder, image.name).then(({ registry }) => registry);
    return opened;
  };
  const manifests = new Set([
    image.target.digest,
    ...image.platforms.map((each) => each.manifest),
    ...(image.attached ?? []).map((each) => each.digest),
  ]);
  return image.blobs.map((blob) => ({
    digest: blob.digest,
    size: blob.size,
    expected: expectedBlob(blob, `image ${image.name}`),
    item: image,
    origin: async () => {
      const { digest, urls } = blob;
      const registry = await registryOf();
      const repository = local === undefined ? repositoryOf(image) : image.repository;
      if (manifests.has(digest)) return registry.manifestOrigin(repository, digest);
      return urls === undefined
        ? registry.blob(repository, digest)
        : foreignLayerOrigin(urls, http);
    },
  }));
}

/** The repository in a registry that an image was read from. */
function repositoryOf({ mirror, repository }: LockedImage): string {
  return mirror === undefined ? repository : repositoryName(parseReference(mirror));
}

/** What is known of a blob before it is downloaded. */
export function expectedBlob(
  { digest, size }: Pick<LockedBlob, 'digest' | 'size'>,
  label: string,
): Expected {
  return { key: digestHex(digest), size, digest, label };
}

/** The bytes of a model's file, at its source or beside the manifest. */
export async function modelFileOrigin(
  model: Pick<LockedModel, 'source' | 'mirror' | 'repository' | 'commit'>,
  file: Pick<LockedModelFile, 'path' | 'digest' | 'from' | 'version'>,
  sources: ModelClients,
): Promise<Origin> {
  if (file.from !== undefined && file.from.layer === undefined)
    return stableOrigin(resolvePath(sources.folder, file.from.path));
  const source = sourceRead(model);
  return modelSourceOf(source, sources).file({ ...model, source }, file);
}

function modelFile(
  model: LockedModel,
  file: LockedModelFile,
  sources: Sources & ModelClients,
): BlobRequest {
  const source = sourceRead(model);
  const folder = isPathSource(source) ? source.replace(/\/+$/, '') : undefined;
  const text = file.from?.layer === undefined ? file.from?.path : undefined;
  const local = text ?? (folder && `${folder}/${file.path}`);
  return {
    digest: file.digest,
    size: file.size,
    expected: expectedBlob(file, `model ${model.name}: ${file.path}`),
    model: { name: model.name, path: file.path },
    item: model,
    origin: () => modelFileOrigin(model, file, sources),
    ...(local === undefined ? {} : { local: { source: local, name: model.name } }),
  };
}

function httpsFile(file: LockedFile, { http }: Sources): BlobRequest {
  return {
    digest: file.digest,
    size: file.size,
    expected: expectedBlob(file, `files ${file.name}`),
    item: file,
    origin: async () => httpsOrigin(file.source, http),
  };
}

/** The blobs of a chart from a registry or an https repository. */
function chartBlobs(chart: LockedChart, { registry, http }: Sources): BlobRequest[] {
  const { name, archive, copied, url } = chart;
  const request = (
    { digest, size }: LockedChart['archive'],
    origin: () => Promise<Origin>,
  ): BlobRequest => ({
    ...{ digest, size, origin, item: chart },
    expected: { key: digestHex(digest), size, digest, label: `chart ${name}` },
  });
  if (url !== undefined) return [request(archive, async () => httpsOrigin(url, http))];
  if (copied === undefined) return [];
  const { repository, manifest, blobs } = copied;
  return [
    request(manifest, async () => registry.manifestOrigin(repository, manifest.digest)),
    ...blobs.map((each) => request(each, async () => registry.blob(repository, each.digest))),
  ];
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
