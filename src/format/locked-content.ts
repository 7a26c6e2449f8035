import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { pathCollision } from '../core/safe-path.ts';
import * as field from './field.ts';
import { type SignatureVerdict, verdict } from './upstream.ts';

/** A blob with its media type, as a lock, `bundle.json` and OCI descriptors name it. */
export interface LockedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

/** An artifact of an image in its registry, which is packed with the image. */
export interface LockedAttachment extends LockedBlob {
  /** `cosign` has the tag `sha256-HEX.sig`; the subject of a `referrer` is the image. */
  readonly kind: 'cosign' | 'referrer';
  /** The index or manifest that it refers to. */
  readonly subject: Digest;
  readonly artifactType: string;
}

export interface LockedModelFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of the bytes; for a Git-LFS file this is its oid. */
  readonly digest: Digest;
  /** Git blob SHA-1, for files that the Hub stores outside LFS. */
  readonly gitOid?: string;
  /** The result of the Hub's own scanners: `safe`, `unsafe`, `suspicious`, `queued`. */
  readonly hubScan?: string;
  /** Where its bytes are, if not at its path in the source of the model. */
  readonly from?: FileOrigin;
  /** The version of the object that it is, in an S3 bucket with versions. */
  readonly version?: string;
}

/** Where the bytes of a model's file are, if not at its path in the source of the model. */
export interface FileOrigin {
  /** In the archive that `layer` is; without one, relative to the manifest: the text of the license that it names. */
  readonly path: string;
  /** A layer of the artifact or image that the model is. */
  readonly layer?: { readonly digest: Digest; readonly size: number };
}

/** Where a model comes from that is not read from a Hub. */
export interface ModelOrigin {
  /** `hub-cache` is a folder that a client of the Hub wrote; its repository and commit are those that the cache states. */
  readonly kind: 'folder' | 'hub-cache' | 'registry' | 'https' | 's3' | 'bundle';
  /** The source, with its revision if it has one. */
  readonly uri: string;
  /** Of the manifest in a registry, of the list on an https server, or of the list of files with their digests. */
  readonly digest: Digest;
}

/** The bundle that a model was taken from, and where that had it from. */
export interface ModelHop {
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** The subjects of its signers that were trusted. */
  readonly signers: readonly string[];
  /** The Hub, or the origin, in the lock of that bundle. */
  readonly endpoint?: string;
  readonly origin?: ModelOrigin;
  /** Its signatures, lists, lock and verdicts, which are packed below `attestations/hop-NAME/`. */
  readonly evidence: readonly {
    readonly path: string;
    readonly size: number;
    readonly digest: Digest;
  }[];
}

export interface LockedModel {
  readonly name: string;
  readonly source: string;
  /** The mirror that it was read from; absent if that was `source`. */
  readonly mirror?: string;
  /** The URL of the Hub; absent if `origin` is present. */
  readonly endpoint?: string;
  /** Where the model comes from, if not from a Hub. */
  readonly origin?: ModelOrigin;
  /** The bundle that it was taken from, if it was. */
  readonly hop?: ModelHop;
  /** `organisation/name`. */
  readonly repository: string;
  /** The commit that the revision resolved to. Without one, the first 40 digits of the digest of `origin`. */
  readonly commit: string;
  readonly license?: string;
  readonly gated: boolean;
  /** Whether the Hub grants access automatically, or a person does; gated repositories only. */
  readonly gate?: 'auto' | 'manual';
  /** The tags of the model on the Hub, sorted. */
  readonly tags?: readonly string[];
  /** The result of verifying the signature that the manifest requires. */
  readonly signature?: SignatureVerdict;
  readonly files: readonly LockedModelFile[];
}

/** The source that a model or an image was read from: its own, or one of its mirrors. */
export function sourceRead({ source, mirror }: Pick<LockedModel, 'source' | 'mirror'>): string {
  return mirror ?? source;
}

/** A blob of an image. */
export interface LockedLayer extends LockedBlob {
  /** Where it is downloaded, if its registry does not have it. */
  readonly urls?: readonly string[];
}

/** What an image consists of on one platform. */
export interface ImagePlatform {
  readonly platform: string;
  readonly manifest: Digest;
  readonly config: Digest;
}

export interface LockedImage {
  readonly name: string;
  readonly source: string;
  /** The mirror that it was read from; absent if that was `source`. */
  readonly mirror?: string;
  /** `registry/repository`, as requested. */
  readonly repository: string;
  /** The index or manifest of the reference, stored byte for byte. */
  readonly target: LockedBlob;
  /** The image manifest for each requested platform, and its config. */
  readonly platforms: readonly ImagePlatform[];
  /** Every blob to pack, including the target, the platform manifests and attachments. */
  readonly blobs: readonly LockedLayer[];
  /** Signatures and other artifacts of the image in the registry; digest and size are those of their manifests. */
  readonly attached?: readonly LockedAttachment[];
  /** The result of verifying the signature that the manifest requires. */
  readonly signature?: SignatureVerdict;
}

/** A resolved git source. */
export interface LockedGit {
  /** The repository's address. */
  readonly url: string;
  /** The commit that the revision resolved to, and the hash of its tree. */
  readonly commit: string;
  readonly tree: string;
  /** Its submodules, by path. */
  readonly submodules?: readonly {
    readonly path: string;
    readonly url: string;
    readonly commit: string;
  }[];
}

export interface LockedFile {
  readonly name: string;
  readonly source: string;
  /** A single file unchanged, or a folder as one tar. */
  readonly kind: 'file' | 'tree';
  /** The file's name; for a tree, the folder's. */
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly git?: LockedGit;
}

const mediaType: z.ZodType<string> = z
  .string()
  .regex(/^[a-z0-9.+-]+\/[A-Za-z0-9.+_-]+$/, 'expected a media type')
  .max(255);

export const blob: z.ZodType<LockedBlob> = field.exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
  }),
);

export const attachment: z.ZodType<LockedAttachment> = field.exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
    kind: z.enum(['cosign', 'referrer']),
    subject: field.digest,
    artifactType: field.line(255),
  }),
);

/** The files of one folder, in any order, without colliding paths. */
export function folder<F extends { readonly path: string }>(file: z.ZodType<F>): z.ZodType<F[]> {
  return z
    .array(file)
    .min(1)
    .max(100_000)
    .superRefine((files, context) => {
      const collision = pathCollision(files.map((each) => each.path));
      if (collision === undefined) return;
      context.addIssue({
        code: 'custom',
        message: `${collision[0]} and ${collision[1]} are one file on some systems`,
      });
    });
}

/** The tags of a model on the Hub. */
export const modelTags: z.ZodType<string[]> = field.exact(z.array(field.line(256)).max(1000));

const layer: z.ZodType<LockedLayer> = field.exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
    urls: z.array(field.line(2048)).min(1).max(8).exactOptional(),
  }),
);

const fileOrigin: z.ZodType<FileOrigin> = field.exact(
  z.strictObject({
    path: field.line(2048),
    layer: z.strictObject({ digest: field.digest, size: field.bytes }).exactOptional(),
  }),
);

const modelOrigin: z.ZodType<ModelOrigin> = field.exact(
  z.strictObject({
    kind: z.enum(['folder', 'hub-cache', 'registry', 'https', 's3', 'bundle']),
    uri: field.line(2048),
    digest: field.digest,
  }),
);

const modelHop: z.ZodType<ModelHop> = field.exact(
  z.strictObject({
    bundle: field.hex(128),
    name: field.name,
    version: field.version,
    seq: field.sequence,
    signers: z.array(field.line(1024)).min(1).max(64),
    endpoint: field.line(512).exactOptional(),
    origin: modelOrigin.exactOptional(),
    evidence: z
      .array(z.strictObject({ path: field.mediaPath, size: field.bytes, digest: field.digest }))
      .min(1)
      .max(1000),
  }),
);

const modelFields: z.ZodType<LockedModel> = field.exact(
  z.strictObject({
    name: field.name,
    source: field.line(512),
    mirror: field.line(512).exactOptional(),
    endpoint: field.line(512).exactOptional(),
    origin: modelOrigin.exactOptional(),
    hop: modelHop.exactOptional(),
    repository: field.line(256),
    commit: field.commit,
    license: field.line(256).exactOptional(),
    gated: z.boolean(),
    gate: z.enum(['auto', 'manual']).exactOptional(),
    tags: modelTags.exactOptional(),
    signature: verdict.exactOptional(),
    files: folder(
      z.strictObject({
        path: field.safePath,
        size: field.bytes,
        digest: field.digest,
        gitOid: field.hex(40).exactOptional(),
        hubScan: field.line(40).exactOptional(),
        from: fileOrigin.exactOptional(),
        version: field.line(1024).exactOptional(),
      }),
    ),
  }),
);

export const model: z.ZodType<LockedModel> = field.exact(
  modelFields.refine(
    ({ endpoint, origin }) => (endpoint === undefined) !== (origin === undefined),
    'expected either the endpoint of a Hub or an origin',
  ),
);

/** Whether a locked model has fields that versions 1 and 2 of the lock do not have. */
export function isNewerModel({ origin, files }: Pick<LockedModel, 'origin' | 'files'>): boolean {
  return origin !== undefined || files.some(({ from }) => from !== undefined);
}

export const imagePlatforms: z.ZodType<ImagePlatform[]> = field.exact(
  z
    .array(
      z.strictObject({ platform: field.platform, manifest: field.digest, config: field.digest }),
    )
    .min(1)
    .max(8),
);

export const image: z.ZodType<LockedImage> = field.exact(
  z.strictObject({
    name: field.name,
    source: field.line(512),
    mirror: field.line(512).exactOptional(),
    repository: field.line(512),
    target: blob,
    platforms: imagePlatforms,
    blobs: z.array(layer).min(1).max(10_000),
    attached: z.array(attachment).min(1).max(1000).exactOptional(),
    signature: verdict.exactOptional(),
  }),
);

const git: z.ZodType<LockedGit> = field.exact(
  z.strictObject({
    url: field.line(2048),
    commit: field.commit,
    tree: field.commit,
    submodules: z
      .array(z.strictObject({ path: field.safePath, url: field.line(2048), commit: field.commit }))
      .min(1)
      .max(1000)
      .exactOptional(),
  }),
);

export const file: z.ZodType<LockedFile> = field.exact(
  z.strictObject({
    name: field.name,
    source: field.line(2048),
    kind: z.enum(['file', 'tree']),
    path: field.safePath,
    digest: field.digest,
    size: field.bytes,
    git: git.exactOptional(),
  }),
);
