import { z } from 'zod';
import type { Digest } from '../core/digest.ts';
import { MAX_MANIFEST_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import * as field from './field.ts';
import { type Service, service } from './service.ts';
import {
  imageSignature,
  type ModelSignatureDemand,
  modelSignature,
  type SignatureDemand,
} from './upstream.ts';

export interface ModelSource {
  readonly name: string;
  /** `hf://organisation/name@revision`. */
  readonly source: string;
  /** Globs of the files to take; all when empty. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Licences that may cross; any when absent. Names as the Hub writes them, compared without case. */
  readonly licenses?: readonly string[];
  /** Its OpenSSF Model Signing signature. */
  readonly signature?: ModelSignatureDemand;
}

export interface ImageSource {
  readonly name: string;
  /** An ordinary reference: `registry/repository:tag`, `@sha256:...`, or both. */
  readonly source: string;
  /** Its cosign signature. */
  readonly signature?: SignatureDemand;
}

/** A file or a folder that is neither a model nor an image. */
export interface FileSource {
  readonly name: string;
  /** A path beside the manifest (a folder becomes a tree), or an `https://` address with its digest. */
  readonly source: string;
  readonly digest?: Digest;
}

export interface Parameter {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly default?: string | number | boolean;
  readonly description: string;
}

/** One question whose answer decides whether a generation is kept. Asked at temperature 0. */
export interface AcceptancePrompt {
  readonly service: string;
  readonly model: string;
  readonly api: 'chat' | 'completions';
  readonly prompt: string;
  readonly maxTokens: number;
  readonly withinSeconds: number;
  readonly expect:
    | { readonly equals: string }
    | { readonly contains: string }
    | { readonly matches: string };
}

/** Releases that must not run any more, wherever they are. */
export interface Recall {
  readonly release: string;
  /** A range of versions, such as `>=1.2.0 <1.2.4`. */
  readonly versions: string;
  readonly reason: string;
}

/** What the manifest says about running the release; carried in the bundle as it is. */
export interface Deployment {
  /** A bundle may carry nothing else: a recall of a few kilobytes. */
  readonly recalls?: readonly Recall[];
  readonly services: readonly Service[];
  readonly acceptance: readonly AcceptancePrompt[];
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly requires: {
    readonly releases: readonly { readonly name: string; readonly version: string }[];
  };
}

/** What the release engineer wants, written by hand in YAML. */
export interface Manifest extends Deployment {
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

const model: z.ZodType<ModelSource> = z.strictObject({
  name: field.name,
  source: z
    .string()
    .regex(
      /^hf:\/\/[A-Za-z0-9][A-Za-z0-9._-]*\/[A-Za-z0-9._-]+(?:@[A-Za-z0-9][A-Za-z0-9._/-]*)?$/,
      'expected hf://organisation/name@revision',
    )
    .max(512),
  include: z.array(glob).max(256).default([]),
  exclude: z.array(glob).max(256).default([]),
  licenses: z.array(field.line(128)).min(1).max(64).exactOptional(),
  signature: modelSignature.exactOptional(),
});

const image: z.ZodType<ImageSource> = z.strictObject({
  name: field.name,
  source: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/,
      'expected an image reference such as docker.io/vllm/vllm-openai:v0.11.0',
    )
    .max(512),
  signature: imageSignature.exactOptional(),
});

const file: z.ZodType<FileSource> = z
  .strictObject({
    name: field.name,
    source: field
      .line(2048)
      .refine((text) => text.length > 0, 'expected a path or an https address'),
    digest: field.digest.exactOptional(),
  })
  .refine((value) => !value.source.startsWith('https://') || value.digest !== undefined, {
    path: ['digest'],
    message: 'expected the digest: what an https address serves can change',
  })
  .refine((value) => !/^[a-z+]+:\/\//.test(value.source) || value.source.startsWith('https://'), {
    path: ['source'],
    message: 'expected a path or an https address',
  });

const parameter: z.ZodType<Parameter> = z
  .strictObject({
    type: z.enum(['string', 'integer', 'boolean']),
    default: z.union([field.text(4096), z.int(), z.boolean()]).exactOptional(),
    description: field.line(500),
  })
  .refine(
    (value) =>
      value.default === undefined ||
      typeof value.default === (value.type === 'integer' ? 'number' : value.type),
    {
      path: ['default'],
      message: 'is not of the type that this parameter has',
    },
  );

const expectation: z.ZodType<AcceptancePrompt['expect']> = z.union([
  z.strictObject({ equals: field.text(65_536) }),
  z.strictObject({ contains: field.text(65_536) }),
  z.strictObject({ matches: field.text(1024).refine(isRegExp, 'expected a regular expression') }),
]);

const acceptance: z.ZodType<AcceptancePrompt> = z.strictObject({
  service: field.name,
  model: field.line(256),
  api: z.enum(['chat', 'completions']).default('chat'),
  prompt: field.text(65_536),
  maxTokens: z.int().min(1).max(4096).default(16),
  withinSeconds: z.int().min(1).max(3600).default(60),
  expect: expectation,
});

/** A manifest's or a bundle's recalls; the member is left out where there are none. */
export const recalls: z.ZodType<readonly Recall[]> = z
  .array(
    z.strictObject({
      release: field.name,
      versions: field.versionRange,
      reason: field.line(500),
    }),
  )
  .min(1)
  .max(10_000);

/** The members of {@link Deployment}, for the documents that carry them. */
export const deploymentShape: {
  [K in Exclude<keyof Deployment, 'recalls'>]: z.ZodType<Deployment[K]>;
} = {
  services: z.array(service).max(64).default([]),
  acceptance: z.array(acceptance).max(64).default([]),
  parameters: z.record(z.string().regex(/^[a-z][A-Za-z0-9]{0,62}$/), parameter).default({}),
  requires: z
    .strictObject({
      releases: z
        .array(z.strictObject({ name: field.name, version: field.versionRange }))
        .max(64)
        .default([]),
    })
    .default({ releases: [] }),
};

export const platform: z.ZodType<string> = z
  .string()
  .regex(/^linux\/[a-z0-9]+(?:\/v[0-9]+)?$/, 'expected a platform such as linux/amd64');

const schema: z.ZodType<Manifest> = z
  .strictObject({
    apiVersion: z.literal('stowage/v1'),
    name: field.name,
    version: field.version,
    channel: field.name.default('stable'),
    description: field.line(500).default(''),
    platforms: z.array(platform).min(1).max(8).default(['linux/amd64']),
    models: z.array(model).max(256).default([]),
    images: z.array(image).max(256).default([]),
    files: z.array(file).max(256).default([]),
    ...deploymentShape,
    recalls: recalls.exactOptional(),
  })
  .superRefine(checkReferences);

/** Checks that every name used is defined, once. */
function checkReferences(manifest: Manifest, context: z.core.$RefinementCtx): void {
  const defect = (path: (string | number)[], message: string): void => {
    context.addIssue({ code: 'custom', input: manifest, path, message });
  };
  const models = new Set(manifest.models.map((each) => each.name));
  const images = new Set(manifest.images.map((each) => each.name));
  const files = new Set(manifest.files.map((each) => each.name));
  if (
    new Set([...models, ...images, ...files]).size !==
    manifest.models.length + manifest.images.length + manifest.files.length
  ) {
    defect([], 'two models, images or files have one name: each becomes a tag of the bundle');
  }
  const services = new Map(manifest.services.map((each) => [each.name, each]));
  if (services.size !== manifest.services.length)
    defect(['services'], 'two services have one name');
  manifest.services.forEach((each, index) => {
    const at = ['services', index];
    if (!images.has(each.image)) defect([...at, 'image'], `unknown image ${each.image}`);
    each.mounts.forEach((mount, place) => {
      if ('model' in mount && !models.has(mount.model))
        defect([...at, 'mounts', place], `unknown model ${mount.model}`);
      if ('files' in mount && !files.has(mount.files))
        defect([...at, 'mounts', place], `unknown files ${mount.files}`);
    });
    for (const used of parametersUsed(each)) {
      if (!Object.hasOwn(manifest.parameters, used)) defect(at, `unknown parameter ${used}`);
    }
  });
  manifest.acceptance.forEach((each, index) => {
    const asked = services.get(each.service);
    if (asked === undefined)
      defect(['acceptance', index, 'service'], `unknown service ${each.service}`);
    else if (asked.health === undefined) {
      defect(
        ['acceptance', index, 'service'],
        `service ${each.service} says no health: no port to ask`,
      );
    }
  });
}

/** The names in `${parameters.NAME}` anywhere in a service's args, env and ports. */
function parametersUsed(each: Service): Set<string> {
  const texts = [
    ...each.args,
    ...Object.values(each.env),
    ...each.ports.map((port) => String(port.host)),
  ];
  const names = new Set<string>();
  for (const text of texts) {
    for (const match of text.matchAll(/\$\{parameters\.([^}]*)\}/g)) names.add(match[1] ?? '');
  }
  return names;
}

function isRegExp(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

export const manifestKind: DocumentKind<Manifest> = {
  name: 'manifest',
  code: 'manifest-invalid',
  schema,
  maxBytes: MAX_MANIFEST_BYTES,
  hint: 'mend each line named above; manifests/README.md explains every field',
};
