import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { MAX_MANIFEST_BYTES } from '../core/limits.ts';
import { type ClusterManifest, clusterManifestShape, clusterNeeds } from './cluster-content.ts';
import { always } from './defect.ts';
import { type Deployment, deploymentShape, recalls } from './deployment.ts';
import { apiVersionMember, type DocumentKind, newerHints } from './document.ts';
import { evaluations } from './evaluation.ts';
import * as field from './field.ts';
import { type Allowance, allowance } from './finding.ts';
import { forEditors, partOf, someText } from './for-editors.ts';
import { knownEgress } from './known-egress.ts';
import { type Optional, optional } from './optional.ts';
import { checkHostPorts, checkReferences } from './references.ts';
import {
  bundleSourceOf,
  isHubSource,
  isListSource,
  isPathSource,
  localImageOf,
  localImagePattern,
  modelSource,
  type StatedLicense,
  statedLicense,
} from './source.ts';
import {
  imageSignature,
  type ModelSignatureRequirement,
  modelSignature,
  type SignatureRequirement,
} from './upstream.ts';

export interface ModelSource extends Optional {
  readonly name: string;
  /** `hf://organisation/name@revision`, or the path of a folder relative to the manifest. */
  readonly source: string;
  /** Other sources of the same files, in the order in which they are tried if `source` cannot be used. */
  readonly mirrors?: readonly string[];
  /** Of the list that an https source or mirror is. */
  readonly digest?: Digest;
  /** For a bundle as the source: the trust document, or the root certificate, that its signatures are verified with. */
  readonly trust?: string;
  /** Whether a path may lead outside the manifest's folder, also through symbolic links. */
  readonly outside?: true;
  /** `organisation/name` in the depot of a site, for a source that is no Hub; by default `models/` and the name. */
  readonly repository?: string;
  /** Its license, if the source states none. */
  readonly license?: StatedLicense;
  /** Globs of the files to include, as huggingface_hub reads them; all if empty. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Accepted licenses, as the Hub writes them; any if absent. SPDX expressions are evaluated against them. */
  readonly licenses?: readonly string[];
  /** Its OpenSSF Model Signing signature. */
  readonly signature?: ModelSignatureRequirement;
  /** Refusals that are accepted, by rule and file. */
  readonly allow?: readonly Allowance[];
}

export interface ImageSource extends Optional {
  readonly name: string;
  /**
   * An ordinary reference: `registry/repository:tag`, `@sha256:...`, or both; or a local image in the syntax of skopeo, such as
   * `oci-archive:./app.tar`.
   */
  readonly source: string;
  /** Other sources of the same image, in the order in which they are tried if `source` cannot be used. */
  readonly mirrors?: readonly string[];
  /** Whether its path may lead outside the manifest's folder, also through symbolic links. */
  readonly outside?: true;
  /** Whether layers that the registry does not have are downloaded from the URLs in the image; otherwise refused. */
  readonly foreignLayers?: boolean;
  /** Its cosign signature. */
  readonly signature?: SignatureRequirement;
}

/** A file or a folder that is neither a model nor an image. */
export interface FileSource extends Optional {
  readonly name: string;
  /**
   * A path relative to the manifest (a folder becomes a tree), an `https://` URL with its digest, or
   * `git+https://host/path/repository@revision`, which becomes a tree.
   */
  readonly source: string;
  readonly digest?: Digest;
  /** Whether the path may lead outside the manifest's folder, also through symbolic links. */
  readonly outside?: true;
  /** Whether submodules of a git repository are downloaded; otherwise a repository with submodules is refused. */
  readonly submodules?: boolean;
  /** Whether Git LFS files of a git repository are downloaded; otherwise they are refused. */
  readonly lfs?: boolean;
  /** As for a model. */
  readonly allow?: readonly Allowance[];
}

/** What the release engineer wants, written by hand in YAML. */
export interface Manifest extends Deployment, ClusterManifest {
  readonly apiVersion: 'stowage/v1';
  readonly name: string;
  readonly version: string;
  readonly channel: string;
  readonly description: string;
  readonly platforms: readonly string[];
  readonly models: readonly ModelSource[];
  readonly images: readonly ImageSource[];
  readonly files: readonly FileSource[];
}

const glob = z.string().min(1).max(256);

/** Sources of a model or an image that are tried one after another. */
const mirrors = (source: z.ZodType<string>): z.ZodType<readonly string[]> =>
  forEditors(
    z
      .array(source)
      .min(1)
      .max(8)
      .refine((list) => new Set(list).size === list.length, 'expected each mirror once'),
    { uniqueItems: true },
  );

const modelFields = z.strictObject({
  name: field.name,
  source: modelSource,
  mirrors: mirrors(modelSource).exactOptional(),
  trust: field.line(2048).exactOptional(),
  digest: field.digest.exactOptional(),
  outside: z.literal(true).exactOptional(),
  repository: field.hubRepository.exactOptional(),
  license: statedLicense.exactOptional(),
  include: z.array(glob).max(256).default([]),
  exclude: z.array(glob).max(256).default([]),
  licenses: z.array(field.line(128)).min(1).max(64).exactOptional(),
  signature: modelSignature.exactOptional(),
  allow: z.array(allowance).min(1).max(256).exactOptional(),
  optional: optional.exactOptional(),
});

const model: z.ZodType<ModelSource> = field.exact(
  modelFields
    .refine((model) => !sourcesOf(model).some(isList) || model.digest !== undefined, {
      ...always,
      path: ['digest'],
      message: 'expected the SHA-256 of the list: the content of an https URL can change',
    })
    .refine((model) => sourcesOf(model).some(isList) || model.digest === undefined, {
      ...always,
      path: ['digest'],
      message: 'only a list on an https server has a digest here',
    })
    .refine((model) => (model.trust !== undefined) === sourcesOf(model).some(isBundle), {
      ...always,
      path: ['trust'],
      message:
        'a bundle as the source needs the trust document or the root certificate of its signers, and no other source does',
    })
    .refine((model) => model.outside === undefined || sourcesOf(model).some(isLocal), {
      ...always,
      path: ['outside'],
      message: 'only a path can be outside the folder of the manifest',
    })
    .refine((model) => model.repository === undefined || !sourcesOf(model).every(isHub), {
      ...always,
      path: ['repository'],
      message: 'a model of a Hub has its name there',
    }),
);

const REFERENCE = /^(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9])[A-Za-z0-9._:@/-]*$/;

const imageSource = forEditors(
  field
    .line(512)
    .refine(
      (text) => REFERENCE.test(text) || localImageOf(text) !== undefined,
      'expected an image reference such as docker.io/vllm/vllm-openai:v0.11.0',
    ),
  { pattern: `(?=${someText}$)(?:${partOf(REFERENCE)}|${localImagePattern})` },
);

const image: z.ZodType<ImageSource> = field.exact(
  z
    .strictObject({
      name: field.name,
      source: imageSource,
      mirrors: mirrors(imageSource).exactOptional(),
      outside: z.literal(true).exactOptional(),
      foreignLayers: z.boolean().exactOptional(),
      signature: imageSignature.exactOptional(),
      optional: optional.exactOptional(),
    })
    .refine((each) => each.outside === undefined || sourcesOf(each).some(hasPath), {
      ...always,
      path: ['outside'],
      message: 'only a path can be outside the folder of the manifest',
    }),
);

/** git over http is only for this machine and hosts declared insecure, which the reader checks. */
const REMOTE = /^(?:https:\/\/|git\+https?:\/\/[^@\s?#]+@[A-Za-z0-9_][A-Za-z0-9._/+-]*$)/;

const file: z.ZodType<FileSource> = field.exact(
  z
    .strictObject({
      name: field.name,
      source: field.someLine(2048, 'expected a path, an https URL or git+https'),
      digest: field.digest.exactOptional(),
      outside: z.literal(true).exactOptional(),
      submodules: z.boolean().exactOptional(),
      lfs: z.boolean().exactOptional(),
      allow: z.array(allowance).min(1).max(256).exactOptional(),
      optional: optional.exactOptional(),
    })
    .refine((value) => !isRemote(value, 'https://') || value.digest !== undefined, {
      ...always,
      path: ['digest'],
      message: 'expected a digest: the content of an https URL can change',
    })
    .refine((value) => !/^[a-z+]+:\/\//.test(value.source) || REMOTE.test(value.source), {
      ...always,
      path: ['source'],
      message: 'expected a path, an https URL or git+https://host/path/repository@revision',
    })
    .refine(
      (value) =>
        isRemote(value, 'git+') || (value.submodules === undefined && value.lfs === undefined),
      { ...always, path: ['source'], message: 'submodules and lfs require a git+https source' },
    )
    .refine((value) => value.outside === undefined || !/^[a-z+]+:\/\//.test(value.source), {
      ...always,
      path: ['outside'],
      message: 'only a path can be outside the folder of the manifest',
    }),
);

/** The source and its mirrors; they may have any type: the schema reports a wrong one. */
function sourcesOf({
  source,
  mirrors: others,
}: {
  source?: unknown;
  mirrors?: unknown;
}): unknown[] {
  return [source, ...(Array.isArray(others) ? others : [])];
}

/** The source may have any type: the schema reports a wrong one. */
function isHub(source: unknown): boolean {
  return typeof source === 'string' && isHubSource(source);
}

/** The source may have any type: the schema reports a wrong one. */
function isBundle(source: unknown): boolean {
  return typeof source === 'string' && bundleSourceOf(source) !== undefined;
}

/** The source may have any type: the schema reports a wrong one. */
function isLocal(source: unknown): boolean {
  return typeof source === 'string' && (isPathSource(source) || isBundle(source));
}

/** The source may have any type: the schema reports a wrong one. */
function isList(source: unknown): boolean {
  return typeof source === 'string' && isListSource(source);
}

/** The source may have any type: the schema reports a wrong one. */
function hasPath(source: unknown): boolean {
  return typeof source === 'string' && localImageOf(source)?.path !== undefined;
}

/** Whether a manifest has fields or sources that versions 1 and 2 of the lock do not have. */
export function hasNewerSources({ models, images }: Pick<Manifest, 'models' | 'images'>): boolean {
  if ([...models, ...images].some((each) => each.mirrors !== undefined)) return true;
  if (images.some(({ source }) => localImageOf(source) !== undefined)) return true;
  return models.some(({ source, license }) => license !== undefined || !source.startsWith('hf://'));
}

/** The source may have any type: the schema reports a wrong one. */
function isRemote({ source }: { readonly source: unknown }, scheme: string): boolean {
  return typeof source === 'string' && source.startsWith(scheme);
}

const fields = z
  .strictObject({
    apiVersion: z.literal('stowage/v1'),
    name: field.name,
    version: field.version,
    channel: field.name.default('stable'),
    description: field.line(500).default(''),
    platforms: z.array(field.platform).min(1).max(8).default(['linux/amd64']),
    models: z.array(model).max(256).default([]),
    images: z.array(image).max(256).default([]),
    files: z.array(file).max(256).default([]),
    charts: clusterManifestShape.charts.exactOptional(),
    objects: clusterManifestShape.objects.exactOptional(),
    ...deploymentShape,
    evaluations: evaluations.exactOptional(),
    knownEgress: knownEgress.exactOptional(),
    cluster: clusterNeeds.exactOptional(),
    upgradeFrom: field.versionRange.exactOptional(),
    recalls: recalls.exactOptional(),
  })
  .superRefine(checkReferences, always)
  .refine(({ charts, cluster }) => charts === undefined || cluster?.kubeVersion !== undefined, {
    ...always,
    path: ['cluster', 'kubeVersion'],
    message: 'expected the version of Kubernetes that charts are rendered for, such as 1.34.0',
  });

/** A manifest inside a lock. Whether its ports collide was not checked when old locks were made. */
export const lockedManifest: z.ZodType<Manifest> = field.exact(fields);

const schema: z.ZodType<Manifest> = field.exact(fields.superRefine(checkHostPorts, always));

export const manifestKind: DocumentKind<Manifest> = {
  name: 'manifest',
  versionIn: apiVersionMember,
  code: 'manifest-invalid',
  schema,
  maxBytes: MAX_MANIFEST_BYTES,
  hint: 'fix each line listed above; manifests/README.md explains every field',
  newerHint: newerHints.written,
};
