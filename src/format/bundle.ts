import * as z from 'zod';
import type { Digest, Sri } from '../core/digest.ts';
import { MAX_BUNDLE_FILES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { pathCollision } from '../core/safe-path.ts';
import { counted } from '../core/text.ts';
import { usesApiKey } from './api-key.ts';
import {
  type BundleFile,
  type BundleImage,
  type BundleModel,
  bundledFile,
  bundledImage,
  bundledModel,
} from './bundled-content.ts';
import { clusterNeeds, usesCluster } from './cluster-content.ts';
import { type Deployment, deploymentShape, recalls, usesRankings } from './deployment.ts';
import { type DerivedSetting, derivedSettings } from './derived.ts';
import { type DocumentKind, newerHints, schemaMember } from './document.ts';
import { evaluations } from './evaluation.ts';
import * as field from './field.ts';
import { type Installer, installer, isToolkit } from './installer.ts';
import { usesIsolation } from './isolation.ts';
import { knownEgress } from './known-egress.ts';
import { takeLongLists } from './long-lists.ts';
import { type OptionalContent, usesOptional } from './optional.ts';
import { type Parity, type Part, parity, parityDefects, part, partPath } from './part.ts';
import { scalingVersion } from './placement.ts';
import { checkReferences } from './references.ts';
import { type BundleCluster, bundledCluster } from './rendered-content.ts';
import { MAX_OBJECTS_BYTES } from './rendered-objects.ts';

const schemas = ['stowage/bundle/v1', 'stowage/bundle/v2', 'stowage/bundle/v3'] as const;
export type BundleSchema = (typeof schemas)[number];

export interface BundleBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly parts: readonly Part[];
}

/** A small file that is not a part, identical on every disc. */
export interface ControlFile {
  readonly path: string;
  readonly size: number;
  readonly sha512: Sri;
}

/** The index of a bundle, `bundle.json`: canonical JSON, covered by `SHA512SUMS`. */
export interface Bundle extends Deployment, BundleCluster {
  /**
   * Version 2 if a service has one of the fields of `scaling.ts`; version 3 with one of `isolation.ts`, with charts, objects or
   * `cluster`, with an API key, with derived settings, with an acceptance test that ranks documents, with evaluations, with known
   * egress, with optional parts, and with a toolkit.
   */
  readonly schema: BundleSchema;
  readonly name: string;
  readonly version: string;
  readonly channel: string;
  readonly description: string;
  readonly seq: number;
  /** When the lock was resolved, not when the bundle was packed. */
  readonly resolvedAt: string;
  readonly platforms: readonly string[];
  /** Size of a full part in bytes; 0 if blobs are not split. */
  readonly partSize: number;
  readonly models: readonly BundleModel[];
  readonly images: readonly BundleImage[];
  readonly files: readonly BundleFile[];
  readonly blobs: readonly BundleBlob[];
  readonly control: readonly ControlFile[];
  /** Which values of `services` the lock decided, because the manifest leaves them open; absent if there are none. */
  readonly derived?: readonly DerivedSetting[];
  /** With the toolkits, if they were packed. Absent if none was packed. */
  readonly installers?: readonly Installer[];
  /** Recovery parts, from which lost parts are rebuilt. */
  readonly parity?: Parity;
}

const bundleBlob: z.ZodType<BundleBlob> = field.exact(
  z
    .strictObject({ digest: field.digest, size: field.bytes, parts: z.array(part).min(1) })
    .superRefine((value, context) => {
      const hex = value.digest.slice('sha256:'.length);
      let offset = 0;
      value.parts.forEach((each, index) => {
        const path = partPath(hex, value.parts.length === 1 ? undefined : index);
        if (each.path !== path) {
          context.addIssue({
            code: 'custom',
            path: ['parts', index, 'path'],
            message: `expected ${path}`,
          });
        }
        if (each.offset !== offset) {
          context.addIssue({
            code: 'custom',
            path: ['parts', index, 'offset'],
            message: `expected ${offset}`,
          });
        }
        offset += each.size;
      });
      if (offset !== value.size) {
        context.addIssue({
          code: 'custom',
          path: ['size'],
          message: `the parts add up to ${offset}`,
        });
      }
    }),
);

const fields: z.ZodType<Bundle> = field.exact(
  z.strictObject({
    schema: z.literal(schemas),
    name: field.name,
    version: field.version,
    channel: field.name,
    description: field.line(500),
    seq: field.sequence,
    resolvedAt: field.moment,
    platforms: z.array(field.platform).min(1).max(8),
    partSize: field.bytes,
    models: z.array(bundledModel),
    images: z.array(bundledImage),
    files: z.array(bundledFile),
    charts: bundledCluster.charts.exactOptional(),
    objects: bundledCluster.objects.exactOptional(),
    blobs: z.array(bundleBlob).max(MAX_BUNDLE_FILES),
    control: z
      .array(z.strictObject({ path: field.mediaPath, size: field.bytes, sha512: field.sri }))
      .max(1000),
    installers: z.array(installer).min(1).max(8).exactOptional(),
    ...deploymentShape,
    evaluations: evaluations.exactOptional(),
    knownEgress: knownEgress.exactOptional(),
    derived: derivedSettings.exactOptional(),
    cluster: clusterNeeds.exactOptional(),
    upgradeFrom: field.versionRange.exactOptional(),
    recalls: recalls.exactOptional(),
    parity: parity.exactOptional(),
  }),
);

const schema: z.ZodType<Bundle> = field.exact(
  fields.superRefine((bundle, context) => {
    checkReferences(bundle, context);
    for (const message of defectsOf(bundle)) context.addIssue({ code: 'custom', message });
  }),
);

/** The first version that has every field of a bundle, or of the manifest that it is made from. */
export function bundleSchema(
  document: Pick<
    Bundle,
    'services' | 'acceptance' | 'evaluations' | 'knownEgress' | 'installers' | 'derived'
  >,
): BundleSchema {
  const { services, acceptance, installers = [] } = document;
  const newer =
    usesCluster(document) ||
    usesRankings(acceptance) ||
    usesIsolation(services) ||
    usesApiKey(services) ||
    usesOptional(document) ||
    installers.some(isToolkit) ||
    document.derived !== undefined ||
    document.evaluations !== undefined ||
    document.knownEgress !== undefined;
  const version = newer ? 3 : scalingVersion(services);
  return schemas[version - 1] ?? schemas[0];
}

/** Contradictions between the lists of a bundle. */
function* defectsOf(bundle: Bundle): Iterable<string> {
  const sizes = new Map<Digest, number>();
  for (const { digest, size } of bundle.blobs) sizes.set(digest, size);
  const needed = bundleSchema(bundle);
  if (schemas.indexOf(bundle.schema) < schemas.indexOf(needed)) yield `it has fields of ${needed}`;
  const rendered = [...(bundle.charts ?? []), ...(bundle.objects ?? [])];
  const bytes = rendered.reduce((sum, { objects }) => sum + objects.size, 0);
  if (bytes > MAX_OBJECTS_BYTES)
    yield `the rendered objects have ${counted(bytes, 'byte')}, over ${MAX_OBJECTS_BYTES}`;
  const services = new Set(bundle.services.map(({ name }) => name));
  for (const { service } of bundle.derived ?? [])
    if (!services.has(service)) yield `settings are derived for an unknown service ${service}`;
  if (sizes.size !== bundle.blobs.length) yield 'a blob is listed twice';
  for (const need of blobsNeeded(bundle)) {
    const size = sizes.get(need.digest);
    if (size === undefined) yield `blob ${need.digest} is used but not listed`;
    else if (need.size !== undefined && need.size !== size)
      yield `blob ${need.digest} has two sizes`;
  }
  yield* optionalDefects(bundle, sizes);
  if (bundle.parity !== undefined) yield* parityDefects(bundle.parity, dataParts(bundle));
  const collision = pathCollision(comparedPaths(bundle));
  if (collision !== undefined)
    yield `${collision[0]} and ${collision[1]} are one file on some systems`;
}

/** The paths that may collide. Those of parts differ as their digests do: they are compared if another path is like them. */
function comparedPaths(bundle: Bundle): string[] {
  const { control, installers = [], parity } = bundle;
  const others = [...control, ...installers, ...(parity?.rows.flat() ?? [])];
  const like = others.some(({ path }) => /^blobs(?:$|\/)/i.test(path));
  const parts = like ? dataParts(bundle) : (bundle.blobs[0]?.parts ?? []);
  return [...others, ...parts].map(({ path }) => path);
}

/**
 * A fast check of a valid `bundle.json`: its long lists are checked entry by entry without the schema, and everything
 * else with it. Undefined if the schema may refuse the value; the schema then gives the reason.
 */
function quick(value: unknown): Bundle | undefined {
  const lists = takeLongLists(value);
  if (lists === undefined) return undefined;
  const { success, data } = fields.safeParse(lists.rest);
  if (!success) return undefined;
  const bundle = lists.putBack(data);
  let sound = true;
  const addIssue = (): void => {
    sound = false;
  };
  checkReferences(bundle, { addIssue });
  for (const _ of defectsOf(bundle)) return undefined;
  return sound ? bundle : undefined;
}

/** Blobs of optional parts that are not blobs of the bundle, or that every site needs. */
function* optionalDefects(bundle: Bundle, sizes: ReadonlyMap<Digest, number>): Iterable<string> {
  const needed = (each: OptionalContent): boolean => each.optional === undefined;
  const required = new Set<Digest>();
  const always = {
    ...bundle,
    models: bundle.models.filter(needed),
    images: bundle.images.filter(needed),
    files: bundle.files.filter(needed),
  };
  for (const { digest } of blobsNeeded(always)) required.add(digest);
  for (const { name, optional, blobs } of [...bundle.models, ...bundle.images, ...bundle.files]) {
    if ((optional === undefined) !== (blobs === undefined))
      yield `${name} must have both optional and blobs, or neither`;
    for (const digest of blobs ?? []) {
      if (!sizes.has(digest)) yield `blob ${digest} of ${name} is not listed`;
      if (required.has(digest)) yield `blob ${digest} of ${name} is not optional: others need it`;
    }
  }
}

function* blobsNeeded(
  bundle: Pick<Bundle, 'models' | 'images' | 'files' | 'charts' | 'objects'>,
): Iterable<{ digest: Digest; size?: number }> {
  for (const model of bundle.models) {
    yield { digest: model.manifest };
    yield* model.files;
  }
  for (const image of bundle.images) {
    yield image.target;
    for (const each of image.platforms) {
      yield { digest: each.manifest };
      yield { digest: each.config };
    }
    yield* image.attached ?? [];
  }
  for (const file of bundle.files) {
    yield { digest: file.manifest };
    yield file;
  }
  for (const { manifest, archive, provenance, objects, attached } of bundle.charts ?? []) {
    yield { digest: manifest };
    yield* [archive, objects, ...attached, ...(provenance === undefined ? [] : [provenance])];
  }
  for (const { manifest, objects } of bundle.objects ?? []) {
    yield { digest: manifest };
    yield objects;
  }
}

/** The parts of all blobs, in the order in which they are assigned to discs. */
export function dataParts(bundle: Pick<Bundle, 'blobs'>): Part[] {
  return bundle.blobs.flatMap((each) => each.parts);
}

/** All parts in the order in which they are assigned to discs: those of blobs, then recovery parts row by row. */
export function allParts(bundle: Pick<Bundle, 'blobs' | 'parity'>): Part[] {
  return [...dataParts(bundle), ...(bundle.parity?.rows.flat() ?? [])];
}

/** Every file that `bundle.json` lists: control files, installers and parts, without itself. */
export function bundleFiles(bundle: Bundle): { path: string; size: number; sha512: Sri }[] {
  return [...bundle.control, ...(bundle.installers ?? []), ...allParts(bundle)];
}

/** Bytes of all blobs and installers: what an import copies. */
export function bundleBytes({
  blobs,
  installers = [],
}: Pick<Bundle, 'blobs' | 'installers'>): number {
  return totalSize(blobs) + totalSize(installers);
}

/** How large a bundle is. Every command that shows a size or a number of files of a whole bundle takes it from here. */
export interface BundleSize {
  /** The files that `SHA512SUMS` lists, `bundle.json` included. */
  readonly files: number;
  /** The bytes of those that `bundle.json` lists: content, installers, recovery parts and lists. */
  readonly bytes: number;
  /** The bytes of all blobs, as `stowage lock` shows them. */
  readonly content: number;
  readonly installers: number;
}

export function bundleSize(bundle: Bundle): BundleSize {
  const listed = bundleFiles(bundle);
  return {
    files: listed.length + 1,
    bytes: totalSize(listed),
    content: totalSize(bundle.blobs),
    installers: totalSize(bundle.installers ?? []),
  };
}

export function totalSize(items: Iterable<{ readonly size: number }>): number {
  let sum = 0;
  for (const { size } of items) sum += size;
  return sum;
}

export const bundleKind: DocumentKind<Bundle> = {
  name: 'bundle.json',
  versionIn: schemaMember('bundle'),
  span: schemas.length,
  code: 'index-malformed',
  schema,
  quick,
  maxBytes: MAX_INDEX_BYTES,
  hint: 'do not use this bundle; ask the release engineer for another copy',
  newerHint: newerHints.bundle,
};
