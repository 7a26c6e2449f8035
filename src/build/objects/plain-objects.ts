import { lstat } from 'node:fs/promises';
import { basename, relative, resolve as resolvePath } from 'node:path';
import { digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import { parseSafePath } from '../../core/safe-path.ts';
import type { ObjectsSource } from '../../format/cluster-content.ts';
import type { Manifest } from '../../format/manifest.ts';
import type { RenderInputFile } from '../../format/rendered-content.ts';
import {
  type Filled,
  type ObjectPath,
  type RenderedObject,
  walk,
} from '../../format/rendered-objects.ts';
import { ioError, readBounded } from '../../io/file.ts';
import { localTree } from '../../source/local.ts';
import { kubectlVersion, kustomizationFiles, kustomizationIn, kustomize } from './kustomize.ts';
import { isNamed } from './render.ts';
import { type RenderPlace, requireCount, streamed } from './render-chart.ts';

/** A local file that objects are rendered from. */
export const MAX_INPUT_BYTES: number = 32 * MIB;
const YAML = /\.(?:ya?ml|json)$/;

/** The rendered objects of an entry of `objects`. */
export interface PlainObjects {
  readonly objects: readonly RenderedObject[];
  readonly renderedBy: string;
  readonly inputs: readonly RenderInputFile[];
}

/** The local files that an entry of `objects` consists of. */
interface Found {
  /** Whether they are rendered by `kubectl kustomize`. */
  readonly isKustomization: boolean;
  /** Absolute paths, sorted. */
  readonly files: readonly string[];
  readonly absolute: string;
}

/**
 * Reads an entry of `objects`: a YAML file, a folder of them, or a kustomization.
 * @param folder of the manifest
 * @throws StowageError `chart-failed`, `chart-unsupported`, `manifest-invalid`, `source-unsupported` without kubectl, `file-*`
 */
export async function plainObjects(
  source: ObjectsSource,
  { manifest, folder, place }: { manifest: Manifest; folder: string; place: RenderPlace },
): Promise<PlainObjects> {
  const what = `objects ${source.name}`;
  const { isKustomization, files, absolute } = await filesOf(source, folder);
  const all: { object: { readonly [member: string]: Json }; from: string }[] = [];
  let renderedBy = 'stowage';
  if (isKustomization) {
    renderedBy = `kubectl ${await kubectlVersion(place)}`;
    const found = await kustomize({ folder: absolute, root: folder, files }, what, place);
    const from = relative(folder, absolute) || basename(absolute);
    all.push(...found.map(({ object }) => ({ object, from })));
  } else
    for (const file of files) {
      const from = relative(folder, file);
      const text = (await readBounded(file, MAX_INPUT_BYTES, 'content-refused')).toString('utf8');
      all.push(...streamed(`${what}, ${from}`, text).map(({ object }) => ({ object, from })));
      requireCount(what, all.length);
    }
  const objects = all
    .filter(({ object }) => !source.without?.some((each) => isNamed(object, each)))
    .map(({ object, from }) => ({ object, from, filled: filledIn(object, manifest, what) }));
  return { objects, renderedBy, inputs: await inputsOf(files, folder) };
}

/** The files that an entry of `objects` is rendered from, as they are now. @throws as {@link plainObjects} */
export async function objectInputs(
  source: Pick<ObjectsSource, 'name' | 'source'>,
  folder: string,
): Promise<RenderInputFile[]> {
  return inputsOf((await filesOf(source, folder)).files, folder);
}

async function filesOf(
  { name, source }: Pick<ObjectsSource, 'name' | 'source'>,
  folder: string,
): Promise<Found> {
  const absolute = resolvePath(
    folder,
    parseSafePath(source.replace(/^\.\//, '').replace(/\/$/, '')),
  );
  const status = await lstat(absolute).catch((error: unknown) => {
    throw ioError(error, absolute);
  });
  if (!status.isDirectory()) return { isKustomization: false, files: [absolute], absolute };
  const isKustomization = (await kustomizationIn(absolute)) !== undefined;
  const files = isKustomization
    ? await kustomizationFiles(absolute, folder, `objects ${name}`)
    : (await localTree(absolute)).map((each) => each.absolute).filter((each) => YAML.test(each));
  return { isKustomization, files, absolute };
}

async function inputsOf(files: readonly string[], folder: string): Promise<RenderInputFile[]> {
  const inputs: RenderInputFile[] = [];
  for (const file of files)
    inputs.push({
      path: relative(folder, file),
      digest: digestOf(await readBounded(file, MAX_INPUT_BYTES, 'content-refused')),
    });
  return inputs;
}

const PLACEHOLDER =
  /\$\{(?:(release)\.namespace|(parameters|images)\.([A-Za-z0-9_-]*)|(models)\.([A-Za-z0-9_-]*)\.uri)\}/g;

/** Where a site writes its values. @throws StowageError `manifest-invalid` for a name that the manifest does not have */
function filledIn(object: Json, manifest: Manifest, what: string): Filled[] {
  const filled: Filled[] = [];
  walk(object, [], (value, path) => {
    if (typeof value !== 'string') return;
    const found = [...value.matchAll(PLACEHOLDER)];
    for (const [written, , section, name = '', models, model = ''] of found)
      requireKnown(manifest, { written, section: section ?? models, name: name || model }, what);
    if (found.length > 0) filled.push({ path, as: typeOf(value, path, manifest, what) });
  });
  return filled;
}

function requireKnown(
  manifest: Manifest,
  { written, section, name }: { written: string; section: string | undefined; name: string },
  what: string,
): void {
  const known =
    section === 'parameters'
      ? Object.hasOwn(manifest.parameters, name)
      : section === undefined ||
        manifest[section as 'images' | 'models'].some((each) => each.name === name);
  if (known) return;
  throw new StowageError(
    'manifest-invalid',
    `${what} refers to something that the manifest does not define`,
    {
      expected: `a name under "${section}"`,
      found: written,
      hint: `correct the name, or add it under "${section}"`,
    },
  );
}

function typeOf(value: string, path: ObjectPath, manifest: Manifest, what: string): Filled['as'] {
  const [, whole = ''] = /^\$\{parameters\.([A-Za-z0-9]+)\}$/.exec(value) ?? [];
  const type = manifest.parameters[whole]?.type;
  if (type === 'boolean')
    throw new StowageError('chart-unsupported', `${what} cannot be rendered once for every site`, {
      expected: 'texts and numbers',
      found: `${value} at ${path.join('.')}, which is true or false`,
      hint: 'write true or false; for sites that differ, make two releases',
    });
  return type === 'integer' ? 'number' : 'text';
}
