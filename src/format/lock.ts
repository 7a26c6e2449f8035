import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { MAX_LOCK_BYTES } from '../core/limits.ts';
import {
  attachment,
  blob,
  folder,
  type LockedAttachment,
  type LockedBlob,
  mediaType,
  modelTags,
} from './blob.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type Finding, finding } from './finding.ts';
import { lockedManifest, type Manifest } from './manifest.ts';
import { type SignatureVerdict, verdict } from './upstream.ts';
import { schemaMember } from './version.ts';

export interface LockedModelFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of the bytes; for a Git-LFS file this is its oid. */
  readonly digest: Digest;
  /** Git blob SHA-1, for files that the Hub stores outside LFS. */
  readonly gitOid?: string;
  /** The result of the Hub's own scanners: `safe`, `unsafe`, `suspicious`, `queued`. */
  readonly hubScan?: string;
}

export interface LockedModel {
  readonly name: string;
  readonly source: string;
  /** The URL of the Hub. */
  readonly endpoint: string;
  /** `organisation/name`. */
  readonly repository: string;
  /** The commit that the revision resolved to. */
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

/** A blob of an image. */
export interface LockedLayer extends LockedBlob {
  /** Where it is downloaded, if its registry does not have it. */
  readonly urls?: readonly string[];
}

export interface LockedImage {
  readonly name: string;
  readonly source: string;
  /** `registry/repository`, as requested. */
  readonly repository: string;
  /** The index or manifest of the reference, stored byte for byte. */
  readonly target: LockedBlob;
  /** The image manifest for each requested platform, and its config. */
  readonly platforms: readonly {
    readonly platform: string;
    readonly manifest: Digest;
    readonly config: Digest;
  }[];
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

/** A resolved manifest: every tag and branch is replaced by a digest. */
export interface Lock {
  readonly schema: 'stowage/lock/v1';
  /** One more than in the previous lock. */
  readonly seq: number;
  readonly resolvedAt: string;
  readonly manifest: Manifest;
  readonly models: readonly LockedModel[];
  readonly images: readonly LockedImage[];
  readonly files: readonly LockedFile[];
  readonly findings: readonly Finding[];
}

const layer: z.ZodType<LockedLayer> = exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
    urls: z.array(field.line(2048)).min(1).max(8).exactOptional(),
  }),
);

const model: z.ZodType<LockedModel> = exact(
  z.strictObject({
    name: field.name,
    source: field.line(512),
    endpoint: field.line(512),
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
      }),
    ),
  }),
);

const image: z.ZodType<LockedImage> = exact(
  z.strictObject({
    name: field.name,
    source: field.line(512),
    repository: field.line(512),
    target: blob,
    platforms: z
      .array(
        z.strictObject({ platform: field.platform, manifest: field.digest, config: field.digest }),
      )
      .min(1)
      .max(8),
    blobs: z.array(layer).min(1).max(10_000),
    attached: z.array(attachment).min(1).max(1000).exactOptional(),
    signature: verdict.exactOptional(),
  }),
);

const git: z.ZodType<LockedGit> = exact(
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

const file: z.ZodType<LockedFile> = exact(
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

const schema: z.ZodType<Lock> = exact(
  z.strictObject({
    schema: z.literal('stowage/lock/v1'),
    seq: field.sequence,
    resolvedAt: field.moment,
    manifest: lockedManifest,
    models: z.array(model),
    images: z.array(image),
    files: z.array(file),
    findings: z.array(finding).max(100_000),
  }),
);

export const lockKind: DocumentKind<Lock> = {
  name: 'lock',
  versionIn: schemaMember('lock'),
  code: 'lock-invalid',
  schema,
  maxBytes: MAX_LOCK_BYTES,
  hint: 'run stowage lock again; do not edit the lock by hand',
};
