import { createHash } from 'node:crypto';
import { type Digest, digestHex } from '../core/digest.ts';
import type { Lock } from '../format/lock.ts';
import type {
  LockedFile,
  LockedImage,
  LockedModel,
  LockedModelFile,
} from '../format/locked-content.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Http } from '../net/http.ts';
import { foreignLayerOrigin } from '../source/foreign-layer.ts';
import type { Git } from '../source/git.ts';
import { gitBlobHash } from '../source/git-blob.ts';
import { httpsOrigin } from '../source/https.ts';
import type { Hub } from '../source/hugging-face.ts';
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
}

/** Every blob in a lock that is downloaded, without duplicates. */
export function blobRequests(lock: Lock, sources: Sources): BlobRequest[] {
  const requests = new Map<Digest, BlobRequest>();
  const add = (each: BlobRequest): void => {
    if (!requests.has(each.digest)) requests.set(each.digest, each);
  };
  for (const image of lock.images) for (const each of imageBlobs(image, sources)) add(each);
  for (const model of lock.models)
    for (const file of model.files) add(modelFile(model, file, sources));
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

function modelFile(model: LockedModel, file: LockedModelFile, { hub }: Sources): BlobRequest {
  return {
    digest: file.digest,
    size: file.size,
    expected: expectedFile(file, `model ${model.name}: ${file.path}`),
    model: { name: model.name, path: file.path },
    origin: async () => hub.file(model, file.path),
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
