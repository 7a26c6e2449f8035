import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { MAX_LOCK_BYTES } from '../core/limits.ts';
import { pathCollision } from '../core/safe-path.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { type Finding, finding } from './finding.ts';
import { type Manifest, manifestKind, platform } from './manifest.ts';
import { type SignatureVerdict, verdict } from './upstream.ts';
import { schemaMember } from './version.ts';

export interface LockedModelFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of the bytes; for a Git-LFS file this is its oid. */
  readonly digest: Digest;
  /** Git blob SHA-1, for files that the Hub keeps outside LFS. */
  readonly gitOid?: string;
  /** What the Hub's own scanners said of it: `safe`, `unsafe`, `suspicious`, `queued`. */
  readonly hubScan?: string;
}

export interface LockedModel {
  readonly name: string;
  readonly source: string;
  /** The Hub that was asked. */
  readonly endpoint: string;
  /** `organisation/name`. */
  readonly repository: string;
  /** The commit that the revision meant. */
  readonly commit: string;
  readonly license?: string;
  readonly gated: boolean;
  /** Whether the Hub lets accounts in by itself, or a person decides; only of a gated repository. */
  readonly gate?: 'auto' | 'manual';
  /** As the Hub lists them, sorted. */
  readonly tags?: readonly string[];
  /** What became of the signature that the manifest asks for. */
  readonly signature?: SignatureVerdict;
  readonly files: readonly LockedModelFile[];
}

export interface LockedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

/** A blob of an image. */
export interface LockedLayer extends LockedBlob {
  /** Where it is fetched, when its registry does not hold it. */
  readonly urls?: readonly string[];
}

/** An artifact that the registry held beside an image, and that travels with it. */
export interface LockedAttachment extends LockedBlob {
  /** `cosign` lay under the tag `sha256-HEX.sig`; `referrer` names the image as its subject. */
  readonly kind: 'cosign' | 'referrer';
  /** The index or manifest that it is about. */
  readonly subject: Digest;
  readonly artifactType: string;
}

export interface LockedImage {
  readonly name: string;
  readonly source: string;
  /** `registry/repository`, as it was asked. */
  readonly repository: string;
  /** What the reference named: an index or a manifest, kept byte for byte. */
  readonly target: LockedBlob;
  /** The image manifest for each platform asked for, and its config. */
  readonly platforms: readonly {
    readonly platform: string;
    readonly manifest: Digest;
    readonly config: Digest;
  }[];
  /** Every blob that travels, the target, the platform manifests and what is attached among them. */
  readonly blobs: readonly LockedLayer[];
  /** Signatures and other artifacts that the registry held beside it; digest and size are of their manifests. */
  readonly attached?: readonly LockedAttachment[];
  /** What became of the signature that the manifest asks for. */
  readonly signature?: SignatureVerdict;
}

/** What a git source was when it was locked. */
export interface LockedGit {
  /** The repository's address. */
  readonly url: string;
  /** The commit that the revision meant, and the hash of its tree. */
  readonly commit: string;
  readonly tree: string;
  /** The repositories within it, by their path. */
  readonly submodules?: readonly {
    readonly path: string;
    readonly url: string;
    readonly commit: string;
  }[];
}

export interface LockedFile {
  readonly name: string;
  readonly source: string;
  /** A single file as it is, or a folder as one tar of ours. */
  readonly kind: 'file' | 'tree';
  /** The file's name; for a tree, the folder's. */
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly git?: LockedGit;
}

/** What a manifest resolved to: every tag and branch replaced by a digest. */
export interface Lock {
  readonly schema: 'stowage/lock/v1';
  /** One more than in the lock before it. */
  readonly seq: number;
  readonly resolvedAt: string;
  readonly manifest: Manifest;
  readonly models: readonly LockedModel[];
  readonly images: readonly LockedImage[];
  readonly files: readonly LockedFile[];
  readonly findings: readonly Finding[];
}

const mediaType = z
  .string()
  .regex(/^[a-z0-9.+-]+\/[A-Za-z0-9.+_-]+$/, 'expected a media type')
  .max(255);

export const blob: z.ZodType<LockedBlob> = exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
  }),
);

const layer: z.ZodType<LockedLayer> = exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
    urls: z.array(field.line(2048)).min(1).max(8).exactOptional(),
  }),
);

/** The files of one folder: sorted or not, but none in another's way. */
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

/** What the Hub files a model under. */
export const modelTags: z.ZodType<string[]> = exact(z.array(field.line(256)).max(1000));

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

export const attachment: z.ZodType<LockedAttachment> = exact(
  z.strictObject({
    digest: field.digest,
    size: field.bytes,
    mediaType,
    kind: z.enum(['cosign', 'referrer']),
    subject: field.digest,
    artifactType: field.line(255),
  }),
);

const image: z.ZodType<LockedImage> = exact(
  z.strictObject({
    name: field.name,
    source: field.line(512),
    repository: field.line(512),
    target: blob,
    platforms: z
      .array(z.strictObject({ platform, manifest: field.digest, config: field.digest }))
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
    manifest: manifestKind.schema,
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
  hint: 'run stowage lock again rather than edit the lock by hand',
};
