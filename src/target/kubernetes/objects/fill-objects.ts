import { createHash } from 'node:crypto';
import { StowageError } from '../../../core/error.ts';
import { canonicalJson, fieldsOf, type Json, textOf } from '../../../core/json.ts';
import { quoted } from '../../../core/text.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { ObjectPath, RenderedObject } from '../../../format/rendered-objects.ts';

/** The values of a site, which the placeholders of rendered objects stand for. */
export interface ObjectValues {
  readonly namespace: string;
  /** Replaces each `${parameters.NAME}`. */
  readonly parameters: (text: string) => string;
  /** The reference of an image of the release, with a digest; undefined for a name that it does not have. */
  readonly image: (name: string) => string | undefined;
  /** Where a server finds a model of the release, such as `oci://` with its reference. */
  readonly model: (name: string) => string | undefined;
}

const PLACEHOLDER =
  /\$\{(?:release\.namespace|images\.([a-z0-9-]+)(?:\.(repository|name|version))?|models\.([a-z0-9-]+)\.uri)\}/g;

const PARAMETER = /\$\{parameters\.[^}]*\}/g;
/** A text that YAML and JSON write as it is, between quotes or without. */
const PLAIN = /^(?!.*: )[\p{L}\p{N}/._](?:[\p{L}\p{N} ._~/@%+,=?:-]*[\p{L}\p{N}/._~@%+=?-])?$/u;
/** A text that YAML 1.1 reads as something else. */
const KEYWORD = /^(?:true|false|yes|no|on|off|y|n|null)$/i;

/** The operators that join name and version with a colon, also where the version is a digest (`GetImage` of the NIM operator). */
const JOINED_BY_COLON = /^apps\.nvidia\.com\//;

/** They become parts of the paths of requests, in which `..` leads to another object (`IsValidPathSegmentName` of Kubernetes). */
const NAME = /^(?!\.{1,2}$)[^/%]+$/;
const API_VERSION = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\/)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/**
 * Writes the values of a site into the objects of a document, at the places that it lists and at no others. A checksum, which
 * charts compute from other objects, becomes one of all values.
 * @throws StowageError `document-invalid` for an object without a kind and a name, or with a placeholder of nothing; `site-invalid`
 * for a value that a document in a text would have to quote
 */
export function fillObjects(
  objects: readonly RenderedObject[],
  values: ObjectValues,
): KubernetesObject[] {
  let sum: string | undefined;
  const filled = objects.map(({ object, filled: places, from }) => {
    const copy = structuredClone(object) as Record<string, Json>;
    for (const { path, as } of places)
      if (as !== 'checksum')
        replaceAt(copy, path, (text) =>
          filledText(text, { as, path, of: String(object['apiVersion']) }, values, from),
        );
    return copy;
  });
  for (const [index, { filled: places }] of objects.entries())
    for (const { path, as } of places) {
      if (as !== 'checksum') continue;
      // Once more than the texts, which are all of what differs between sites.
      sum ??= createHash('sha256')
        .update(canonicalJson(filled as unknown as Json))
        .digest('hex');
      const hex = sum;
      replaceAt(filled[index], path, (text) => hex.slice(0, text.length));
    }
  return filled.map((each, index) => checked(each, objects[index]?.from ?? ''));
}

function filledText(
  text: string,
  {
    as,
    path,
    of,
  }: { readonly as: 'text' | 'number'; readonly path: ObjectPath; readonly of: string },
  values: ObjectValues,
  from: string,
): string | number {
  const placed = text.replaceAll(
    PLACEHOLDER,
    (whole, image?: string, part?: string, model?: string) => {
      if (image !== undefined)
        return imagePart(values.image(image), part, { path, of }) ?? missing(whole, from);
      if (model !== undefined) return values.model(model) ?? missing(whole, from);
      return values.namespace;
    },
  );
  // Last: what looks like a placeholder in a parameter is a text like any other.
  const filled = isNested(text)
    ? placed.replaceAll(PARAMETER, (whole) =>
        plainValue(values.parameters(whole), { name: whole, path, from }),
      )
    : values.parameters(placed);
  if (as === 'text') return filled;
  const number = Number(filled);
  if (!Number.isSafeInteger(number)) missing(text, from);
  return number;
}

/**
 * Whether a text seems to be a document of its own, such as JSON in an annotation or the YAML of a configuration: a template can
 * have quoted a value in it (`quote`, `toJson`, `toYaml`), which shows only with values that need quotes.
 */
function isNested(text: string): boolean {
  return /[\n"'{}[\]\\]/.test(text.replaceAll(/\$\{[^}]*\}/g, ''));
}

/** A value that is the same with and without quotes. @throws StowageError `site-invalid` for another one */
function plainValue(
  value: string,
  { name, path, from }: { readonly name: string; readonly path: ObjectPath; readonly from: string },
): string {
  if (PLAIN.test(value) && !KEYWORD.test(value)) return value;
  throw new StowageError(
    'site-invalid',
    `the value of ${name} cannot be written into a document in a text`,
    {
      expected: `letters, digits, inner spaces and any of ._~/@%+,=?:- in a value for ${path.join('.')} of ${from}, and no word such as true or null`,
      found: quoted(value),
      hint: 'choose another value in site.yaml, or ask the release engineer to give the chart a fixed one: whether its template quotes this value is not known',
    },
  );
}

/**
 * What operators join: `repository` is all before the last slash, `name` what follows it, and `version` the digest. In a field
 * `repository`, which has no field for a name beside it, the name is all of it. Where an operator always joins with a colon, the name
 * ends with the algorithm of the digest.
 * @param reference such as `10.0.0.5:5443/chat/server@sha256:...`
 * @param of the version of the object's API
 */
function imagePart(
  reference: string | undefined,
  part: string | undefined,
  { path, of }: { readonly path: ObjectPath; readonly of: string },
): string | undefined {
  if (reference === undefined || part === undefined) return reference;
  const at = reference.lastIndexOf('@');
  const slash = reference.lastIndexOf('/', at);
  const [end, version] = JOINED_BY_COLON.test(of)
    ? [reference.lastIndexOf(':'), reference.lastIndexOf(':') + 1]
    : [at, at + 1];
  if (part === 'version') return reference.slice(version);
  if (part === 'repository') return reference.slice(0, slash);
  return reference.slice(path.at(-1) === 'repository' ? 0 : slash + 1, end);
}

function replaceAt(
  object: unknown,
  path: ObjectPath,
  replace: (text: string) => string | number,
): void {
  const member = (of: unknown, name: string | number): unknown =>
    typeof of === 'object' && of !== null && Object.hasOwn(of, name)
      ? (of as Record<string, unknown>)[name]
      : undefined;
  const holder = path.slice(0, -1).reduce(member, object);
  const last = path.at(-1) ?? '';
  const text = member(holder, last);
  // What kind of object it is was read before it was signed, and decides where it is.
  if (typeof text !== 'string' || path[0] === 'apiVersion' || path[0] === 'kind')
    throw new StowageError(
      'document-invalid',
      'an object has no placeholder at a place to be filled',
      {
        expected: `a text at ${path.join('.')}`,
        found: typeof text,
        hint: 'do not use this bundle; ask the release engineer for another copy',
      },
    );
  (holder as Record<string, unknown>)[last] = replace(text);
}

function checked(object: Readonly<Record<string, Json>>, from: string): KubernetesObject {
  const { apiVersion, kind } = object;
  const { creationTimestamp: _, ...metadata } = fieldsOf(object['metadata']);
  const { status, ...rest } = object;
  const name = textOf(metadata['name'], 253);
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || name === undefined)
    throw new StowageError('document-invalid', `an object of ${from} is incomplete`, {
      expected: 'apiVersion, kind and metadata.name',
      found: [apiVersion, kind, metadata['name']].map(String).join(', '),
      hint: 'ask the release engineer to leave the object out with without:',
    });
  const { namespace } = metadata;
  const places = [
    [apiVersion, API_VERSION],
    [kind, /^[A-Za-z0-9]+$/],
    [name, NAME],
    [namespace ?? 'default', LABEL],
  ] as const;
  const wrong = places.find(([each, form]) => !form.test(String(each)));
  if (wrong !== undefined)
    throw new StowageError('document-invalid', `an object of ${from} has an invalid place`, {
      expected: 'apiVersion, kind, name and namespace of the Kubernetes API',
      found: quoted(String(wrong[0])),
      hint: 'ask the release engineer to correct the object, or to leave it out with without:',
    });
  // What generators of definitions leave there is never applied.
  const own = kind === 'CustomResourceDefinition' || status === undefined ? rest : object;
  return { ...own, apiVersion, kind, metadata: { ...metadata, name } };
}

function missing(placeholder: string, from: string): never {
  throw new StowageError(
    'document-invalid',
    `${from} refers to something that is not in the bundle`,
    {
      expected: 'an image, a model or a parameter of the release',
      found: placeholder,
      hint: 'do not use this bundle; ask the release engineer for another copy',
    },
  );
}
