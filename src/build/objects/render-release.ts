import { resolve as resolvePath } from 'node:path';
import type { Environment } from '../../core/context.ts';
import { digestOf } from '../../core/digest.ts';
import { messageOf, StowageError } from '../../core/error.ts';
import { canonicalBytes, fieldsOf, type Json, textOf } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import { parseSafePath } from '../../core/safe-path.ts';
import { counted, cutTo, printable } from '../../core/text.ts';
import type { ChartSource, ObjectsSource } from '../../format/cluster-content.ts';
import { checkDocument } from '../../format/document.ts';
import type { Manifest } from '../../format/manifest.ts';
import { readYamlObject } from '../../format/object-stream.ts';
import type { RenderInputFile } from '../../format/rendered-content.ts';
import {
  MAX_OBJECTS_BYTES,
  powersOf,
  type RenderedObject,
  type RenderedObjects,
  renderedObjectsKind,
} from '../../format/rendered-objects.ts';
import { readBounded } from '../../io/file.ts';
import type { ChartFiles } from './chart-files.ts';
import { requireAtEverySite } from './optional-names.ts';
import { nameImages, placeImages, referencesOf, type UncarriedReference } from './place-images.ts';
import { type PlainObjects, plainObjects } from './plain-objects.ts';
import { named, renderForSites } from './render.ts';
import { NAMESPACE } from './stand-ins.ts';

const MAX_VALUES_BYTES: number = MIB;

export interface ReleaseContext {
  /** The folder of the manifest. */
  readonly folder: string;
  /** For temporary files. */
  readonly work: string;
  /** Of this process; only `PATH` is passed to programs. */
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/** A chart or an entry of `objects`, rendered for every site. */
export interface RenderedItem {
  readonly name: string;
  readonly source: ChartSource | ObjectsSource;
  /** The document that the bundle contains. */
  readonly document: Buffer;
  readonly objects: readonly RenderedObject[];
  readonly renderedBy: string;
  readonly inputs: readonly RenderInputFile[];
  readonly powers: readonly string[];
  readonly uncarried: readonly UncarriedReference[];
}

export interface RenderedRelease {
  readonly charts: readonly RenderedItem[];
  readonly objects: readonly RenderedItem[];
  /** The images that only objects need, by their references, with the names that they get. */
  readonly images: readonly { readonly name: string; readonly source: string }[];
}

type Raw = PlainObjects & { readonly source: ChartSource | ObjectsSource };

/**
 * Renders all charts and objects of a manifest. The same manifest, charts, files and programs give the same documents.
 * @param charts by the names of their items
 * @throws StowageError `chart-failed`, `chart-unsupported`, `content-refused`, `manifest-invalid`, `source-unsupported`
 */
export async function renderRelease(
  manifest: Manifest,
  charts: ReadonlyMap<string, ChartFiles>,
  context: ReleaseContext,
): Promise<RenderedRelease> {
  const rawCharts: Raw[] = [];
  for (const source of manifest.charts ?? [])
    rawCharts.push(await renderOne(source, manifest, charts, context));
  const { folder, work, env, signal } = context;
  const place = { folder: work, env, signal };
  const rawObjects: Raw[] = [];
  for (const source of manifest.objects ?? [])
    rawObjects.push({ source, ...(await plainObjects(source, { manifest, folder, place })) });
  const all = [...rawCharts, ...rawObjects];
  requireSound(all);
  const references = all.flatMap(({ source, objects }) =>
    referencesOf(objects, source.imagePaths ?? []),
  );
  const names = nameImages(
    [...new Set(references)].toSorted(),
    manifest.images,
    new Set(namesIn(manifest)),
  );
  const everything = all.flatMap(({ objects }) => objects.map(({ object }) => object));
  const finish = (raw: Raw): RenderedItem => finished(raw, names, everything);
  const own = new Set(manifest.images.map(({ name }) => name));
  const [finishedCharts, finishedObjects] = [rawCharts.map(finish), rawObjects.map(finish)];
  requireSmall([...finishedCharts, ...finishedObjects]);
  for (const { name, document } of [...finishedCharts, ...finishedObjects])
    requireAtEverySite(name, document.toString('utf8'), manifest);
  return {
    charts: finishedCharts,
    objects: finishedObjects,
    images: [...names]
      .filter(([, name]) => !own.has(name))
      .map(([source, name]) => ({ name, source })),
  };
}

async function renderOne(
  source: ChartSource,
  manifest: Manifest,
  charts: ReadonlyMap<string, ChartFiles>,
  { folder, work, env, signal }: ReleaseContext,
): Promise<Raw> {
  const { name, release = name, values, valuesFiles = [], without = [] } = source;
  const files = charts.get(name);
  if (files === undefined) throw new Error(`chart ${name} was not fetched`);
  const what = `chart ${name}`;
  const given: Json[] = [];
  const inputs: RenderInputFile[] = [];
  for (const each of valuesFiles) {
    const path = parseSafePath(each.replace(/^\.\//, ''));
    const bytes = await readBounded(resolvePath(folder, path), MAX_VALUES_BYTES, 'content-refused');
    inputs.push({ path, digest: digestOf(bytes) });
    given.push(valuesIn(bytes, path, what));
  }
  if (values !== undefined) given.push(values);
  const { kubeVersion = '', apiVersions = [] } = manifest.cluster ?? {};
  const { objects, helm } = await renderForSites(
    files,
    { what, release, values: given, kubeVersion, apiVersions },
    { folder: work, env, signal, parameters: manifest.parameters, without },
  );
  return { source, objects, renderedBy: `helm ${helm}`, inputs };
}

function valuesIn(bytes: Buffer, path: string, what: string): Json {
  try {
    return readYamlObject(bytes.toString('utf8'));
  } catch (cause) {
    throw new StowageError('manifest-invalid', `the values ${path} of ${what} cannot be read`, {
      expected: 'a mapping in YAML',
      found: printable(cutTo(messageOf(cause), 500)),
      hint: 'correct the file',
      cause,
    });
  }
}

function finished(
  raw: Raw,
  names: ReadonlyMap<string, string>,
  all: readonly RenderedObject['object'][],
): RenderedItem {
  const { source, renderedBy, inputs } = raw;
  const { objects, uncarried } = placeImages(raw.objects, names, source.imagePaths ?? []);
  const document: RenderedObjects = { schema: 'stowage/objects/v1', objects };
  requireReadable(document, source.name);
  const bytes = canonicalBytes(document as unknown as Json);
  return {
    ...{ name: source.name, source, document: bytes, objects, renderedBy, inputs, uncarried },
    powers: powersOf(
      objects.map(({ object }) => object),
      all,
    ),
  };
}

function requireSmall(items: readonly RenderedItem[]): void {
  const bytes = items.reduce((sum, { document }) => sum + document.length, 0);
  if (bytes <= MAX_OBJECTS_BYTES) return;
  throw new StowageError('content-refused', 'the objects of the release are too large', {
    expected: `at most ${MAX_OBJECTS_BYTES} bytes in all charts and objects`,
    found: counted(bytes, 'byte'),
    hint: 'leave objects out with without:, or divide them into several releases',
  });
}

/** What no site could read, such as a hook with a weight out of bounds, must not be signed. */
function requireReadable(document: RenderedObjects, item: string): void {
  try {
    checkDocument(renderedObjectsKind, document);
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    throw unsound(item, 'objects that sites can read', error.found ?? error.message);
  }
}

/** Every name that an image cannot get. */
function namesIn({ models, images, files, charts = [], objects = [] }: Manifest): string[] {
  return [models, images, files, charts, objects].flatMap((section) =>
    section.map(({ name }: { readonly name: string }) => name),
  );
}

/**
 * Each object must have a kind and a name, and must be in the release once, also as a hook: sites have one object of a name. What kind
 * of object it is does not depend on the site.
 * @throws StowageError `chart-failed`
 */
function requireSound(all: readonly Raw[]): void {
  const seen = new Map<string, string>();
  for (const { source, objects } of all)
    for (const each of objects) {
      const { object, filled, from } = each;
      const { name, namespace = NAMESPACE } = fieldsOf(object['metadata']);
      const where = `${source.name}, ${from}`;
      const version = textOf(object['apiVersion'], 317);
      if (version === undefined || textOf(object['kind'], 63) === undefined)
        throw unsound(source.name, 'apiVersion and kind', `an object without them in ${where}`);
      if (textOf(name, 253) === undefined || name === '')
        throw unsound(source.name, 'a name', `${named(object)} in ${where}`);
      const group = version.includes('/') ? version.slice(0, version.indexOf('/')) : '';
      if (filled.some(({ path: [first] }) => first === 'apiVersion' || first === 'kind'))
        throw unsound(source.name, 'apiVersion and kind without a value of the site', where);
      const key = JSON.stringify([group, object['kind'] ?? '', namespace, name]);
      const other = seen.get(key);
      if (other !== undefined)
        throw unsound(
          source.name,
          'each object once',
          `${named(object)} in ${other} and in ${where}`,
        );
      seen.set(key, where);
    }
}

function unsound(item: string, expected: string, found: string): StowageError {
  return new StowageError('chart-failed', `the objects of ${item} cannot be applied`, {
    ...{ expected, found: printable(cutTo(found, 1000)) },
    hint: 'correct the chart or the files, or leave the object out with without:',
  });
}
