import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import * as field from './field.ts';
import {
  attachment,
  blob,
  folder,
  type ImagePlatform,
  imagePlatforms,
  type LockedAttachment,
  type LockedBlob,
  modelTags,
} from './locked-content.ts';
import { type OptionalContent, optionalContent } from './optional.ts';
import { type SignatureVerdict, verdict } from './upstream.ts';

export interface BundleModel extends OptionalContent {
  readonly name: string;
  readonly source: string;
  readonly repository: string;
  readonly commit: string;
  readonly license?: string;
  /** The tags of the model on the Hub, sorted. */
  readonly tags?: readonly string[];
  /** The result of verifying its publisher's signature, if the manifest required it. */
  readonly signature?: SignatureVerdict;
  /** The ModelPack manifest that describes the files. */
  readonly manifest: Digest;
  readonly files: readonly {
    readonly path: string;
    readonly size: number;
    readonly digest: Digest;
    /** Git blob SHA-1, for files that the Hub stores outside LFS. */
    readonly gitOid?: string;
  }[];
}

export interface BundleImage extends OptionalContent {
  readonly name: string;
  readonly source: string;
  readonly repository: string;
  readonly target: LockedBlob;
  readonly platforms: readonly ImagePlatform[];
  /** The result of verifying its publisher's signature, if the manifest required it. */
  readonly signature?: SignatureVerdict;
  /** How many packages the SBOM lists for it, and how many layers or files could not be read. */
  readonly packages?: { readonly found: number; readonly unread: number };
  /** Signatures and other artifacts that are packed with it. */
  readonly attached?: readonly LockedAttachment[];
}

export interface BundleFile extends OptionalContent {
  readonly name: string;
  readonly source: string;
  readonly kind: 'file' | 'tree';
  readonly path: string;
  readonly manifest: Digest;
  readonly digest: Digest;
  readonly size: number;
}

const content = {
  optional: optionalContent.optional.exactOptional(),
  blobs: optionalContent.blobs.exactOptional(),
};

export const bundledModel: z.ZodType<BundleModel> = field.exact(
  z.strictObject({
    name: field.name,
    source: field.line(512),
    repository: field.hubRepository,
    commit: field.commit,
    license: field.line(256).exactOptional(),
    tags: modelTags.exactOptional(),
    signature: verdict.exactOptional(),
    manifest: field.digest,
    files: folder(
      z.strictObject({
        path: field.safePath,
        size: field.bytes,
        digest: field.digest,
        gitOid: field.hex(40).exactOptional(),
      }),
    ),
    ...content,
  }),
);

export const bundledImage: z.ZodType<BundleImage> = field.exact(
  z.strictObject({
    name: field.name,
    source: field.line(512),
    repository: field.imageRepository,
    target: blob,
    platforms: imagePlatforms,
    signature: verdict.exactOptional(),
    packages: z.strictObject({ found: field.bytes, unread: field.bytes }).exactOptional(),
    attached: z.array(attachment).min(1).max(1000).exactOptional(),
    ...content,
  }),
);

export const bundledFile: z.ZodType<BundleFile> = field.exact(
  z.strictObject({
    name: field.name,
    source: field.line(2048),
    kind: z.enum(['file', 'tree']),
    path: field.safePath,
    manifest: field.digest,
    digest: field.digest,
    size: field.bytes,
    ...content,
  }),
);
