import { realpath } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, listOf } from '../core/json.ts';
import { quoted } from '../core/text.ts';
import type { Defect } from '../format/defect.ts';
import { bundleSourceOf, isPathSource, isRegistrySource, localImageOf } from '../format/source.ts';
import { ioError } from '../io/file.ts';
import { referenceIn } from '../source/oci-model.ts';
import { parseReference } from '../source/reference.ts';

/**
 * Checks that the paths in a manifest exist, and that its files are inside its folder unless it says otherwise.
 * @param manifest its fields may have any type: the schema reports those that are wrong
 */
export async function pathDefects(manifest: unknown, folder: string): Promise<Defect[]> {
  const defects: Defect[] = [];
  const { files, models, images } = fieldsOf(manifest);
  for (const [index, file] of listOf(files).entries()) {
    const { source } = file;
    if (typeof source !== 'string' || source === '' || isAddress(source)) continue;
    const message = await sourceDefect(source, file, folder);
    if (message !== undefined) defects.push({ path: ['files', index, 'source'], message });
  }
  for (const [index, model] of listOf(models).entries()) {
    const { license, trust } = model;
    for (const { text: source, path } of sourcesIn(model)) {
      const place = isPathSource(source) ? source : bundleSourceOf(source)?.path;
      if (place === undefined) continue;
      const message = await sourceDefect(place, model, folder);
      if (message !== undefined) defects.push({ path: ['models', index, ...path], message });
    }
    if (typeof trust === 'string' && (await realPath(resolvePath(folder, trust))) === undefined)
      defects.push({ path: ['models', index, 'trust'], message: missing(trust) });
    const text = fieldsOf(license)['file'];
    const message = typeof text === 'string' ? await sourceDefect(text, model, folder) : undefined;
    if (message !== undefined)
      defects.push({ path: ['models', index, 'license', 'file'], message });
  }
  for (const [index, image] of listOf(images).entries()) {
    for (const { text: source, path: at } of sourcesIn(image)) {
      const path = localImageOf(source)?.path;
      const message = path === undefined ? undefined : await sourceDefect(path, image, folder);
      if (message !== undefined) defects.push({ path: ['images', index, ...at], message });
    }
  }
  for (const [section, items] of Object.entries({ models, images })) {
    for (const [index, { signature }] of listOf(items).entries()) {
      for (const name of ['key', 'root', 'log', 'trustedRoot']) {
        const path = fieldsOf(signature)[name];
        if (typeof path !== 'string' || (await realPath(resolvePath(folder, path))) !== undefined)
          continue;
        defects.push({ path: [section, index, 'signature', name], message: missing(path) });
      }
    }
  }
  return defects;
}

/** Whether the source of files is an address, not a path. */
export function isAddress(source: string): boolean {
  return /^[a-z+]+:\/\//.test(source);
}

/** The source of an item and its mirrors, with their places in it. */
export function sourcesIn({ source, mirrors }: Fields): {
  readonly text: string;
  readonly path: readonly (string | number)[];
}[] {
  const others = Array.isArray(mirrors) ? mirrors : [];
  return [
    { text: source, path: ['source'] },
    ...others.map((text: unknown, index) => ({ text, path: ['mirrors', index] })),
  ].flatMap(({ text, path }) => (typeof text === 'string' ? [{ text, path }] : []));
}

async function sourceDefect(
  source: string,
  { outside, mirrors }: Fields,
  folder: string,
): Promise<string | undefined> {
  const [place, root] = [await realPath(resolvePath(folder, source)), await realPath(folder)];
  // One of several sources may be gone: another is tried.
  if (place === undefined) return mirrors === undefined ? missing(source) : undefined;
  if (place === root)
    return 'this is the folder of the manifest, which its lock is written to: name a folder below it';
  if (outside === true || root === undefined) return undefined;
  if (place.startsWith(root === '/' ? root : `${root}/`)) return undefined;
  return `${quoted(source)} is outside the folder of the manifest: ${quoted(place)}; move it, or add outside: true to this entry`;
}

function missing(path: string): string {
  return `no such file or folder: ${quoted(path)}`;
}

/** Undefined if nothing is there. @throws StowageError `io-failed` */
async function realPath(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    const failure = ioError(error, path);
    if (failure instanceof StowageError && failure.code === 'file-missing') return undefined;
    throw failure;
  }
}

/**
 * The references of a manifest to images and to models in registries that no registry would be asked for.
 * @param manifest its fields may have any type: the schema reports those that are wrong
 */
export function referenceDefects(manifest: unknown): Defect[] {
  const { images, models } = fieldsOf(manifest);
  const defects = (section: string, list: unknown): Defect[] =>
    listOf(list).flatMap((item, index) =>
      sourcesIn(item).flatMap(({ text: source, path }): Defect[] => {
        if (source === '') return [];
        if (section === 'models' ? !isRegistrySource(source) : localImageOf(source)) return [];
        const message = defectOf(section === 'models' ? referenceIn(source) : source);
        return message === undefined ? [] : [{ path: [section, index, ...path], message }];
      }),
    );
  return [...defects('models', models), ...defects('images', images)];
}

function defectOf(source: string): string | undefined {
  const scheme = /^([a-z][a-z+-]*):\/\//.exec(source);
  if (scheme !== null)
    return `expected a reference without ${scheme[0]}, such as ${source.slice(scheme[0].length, 200)}`;
  const [, archive, path = ''] = /^((?:oci|docker)-archive:|oci:)(.+)$/.exec(source) ?? [];
  const asPath = `expected a path that begins with ./, ../ or /: ${archive}./${path}`;
  // No registry has a repository of such a name.
  if (archive?.includes('-archive') === true) return asPath;
  try {
    parseReference(source);
    return undefined;
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    if (archive !== undefined) return asPath;
    return `expected ${error.expected}; found ${error.found}`;
  }
}
