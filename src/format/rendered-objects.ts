import * as z from 'zod';
import type { Json } from '../core/canonical-json.ts';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { newerHints, schemaMember } from './version.ts';

/** The names and indexes that lead to a value in an object. */
export type ObjectPath = readonly (string | number)[];

/** A moment of a chart's life at which a hook runs, as Helm names it. */
export const hookEvents = [
  'pre-install',
  'post-install',
  'pre-upgrade',
  'post-upgrade',
  'pre-delete',
  'post-delete',
  'test',
] as const;

export interface Hook {
  readonly events: readonly (typeof hookEvents)[number][];
  /** Hooks of one event run from the lowest weight to the highest. */
  readonly weight: number;
}

/**
 * A value that the site writes. A `text` has `${parameters.NAME}`, `${release.namespace}`, `${images.NAME}` or
 * `${models.NAME.uri}` in it; a `number` is one parameter as a whole; a `checksum` depends on all values of the site.
 */
export interface Filled {
  readonly path: ObjectPath;
  readonly as: 'text' | 'number' | 'checksum';
}

/** An object of the Kubernetes API as it was rendered, and where a site writes its own values into it. */
export interface RenderedObject {
  readonly object: { readonly [member: string]: Json };
  /** The file that it was rendered from, such as `templates/service.yaml`. */
  readonly from: string;
  readonly filled: readonly Filled[];
  readonly hook?: Hook;
}

/** The objects of a chart or of `objects:`, rendered before the bundle was signed. A blob of the bundle, canonical JSON. */
export interface RenderedObjects {
  readonly schema: 'stowage/objects/v1';
  /** In the order in which Helm would install them, hooks included. */
  readonly objects: readonly RenderedObject[];
}

/** More objects than any published chart has. */
export const MAX_OBJECTS = 10_000;
/** Of all items of a release: a site keeps them in each of its generations, and reads two of those for a plan. */
export const MAX_OBJECTS_BYTES: number = 64 * MIB;

const path: z.ZodType<(string | number)[]> = exact(
  z
    .array(z.union([z.string().max(1024), z.int().min(0)]))
    .min(1)
    .max(64),
);

/** The members of a {@link Hook}. */
export const hook: { events: z.ZodType<Hook['events']>; weight: z.ZodType<number> } = {
  events: z.array(z.enum(hookEvents)).min(1),
  weight: z.int().min(-1_000_000).max(1_000_000),
};

const rendered: z.ZodType<RenderedObject> = exact(
  z.strictObject({
    object: z.record(z.string(), z.json()) as unknown as z.ZodType<Record<string, Json>>,
    from: field.line(1024),
    filled: z
      .array(z.strictObject({ path, as: z.enum(['text', 'number', 'checksum']) }))
      .max(10_000),
    hook: z.strictObject(hook).exactOptional(),
  }),
);

const schema: z.ZodType<RenderedObjects> = exact(
  z.strictObject({
    schema: z.literal('stowage/objects/v1'),
    objects: z.array(rendered).min(1).max(MAX_OBJECTS),
  }),
);

export const renderedObjectsKind: DocumentKind<RenderedObjects> = {
  name: 'rendered objects',
  versionIn: schemaMember('objects'),
  code: 'index-malformed',
  schema,
  maxBytes: MAX_OBJECTS_BYTES,
  hint: 'do not use this bundle; ask the release engineer for another copy',
  newerHint: newerHints.bundle,
};

/** A copy of a value, of which `change` gives every value anew, the inner ones first. The names of members stay. */
export function rewrite(
  value: Json,
  change: (value: Json, path: ObjectPath) => Json,
  path: ObjectPath = [],
): Json {
  if (Array.isArray(value))
    return change(
      value.map((each: Json, index) => rewrite(each, change, [...path, index])),
      path,
    );
  if (typeof value !== 'object' || value === null) return change(value, path);
  const members = Object.entries(value).map(([name, each]) => [
    name,
    each === undefined ? each : rewrite(each, change, [...path, name]),
  ]);
  return change(Object.fromEntries(members), path);
}

/** Visits every value of an object, the outer ones first. */
export function walk(
  value: Json | undefined,
  path: ObjectPath,
  visit: (value: Json, path: ObjectPath) => void,
): void {
  if (value === undefined) return;
  visit(value, path);
  if (Array.isArray(value))
    value.forEach((each: Json, index) => {
      walk(each, [...path, index], visit);
    });
  else if (typeof value === 'object' && value !== null)
    for (const [name, each] of Object.entries(value)) walk(each, [...path, name], visit);
}
