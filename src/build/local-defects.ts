import { resolve as resolvePath } from 'node:path';
import type { Context } from '../core/context.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { unmatchedGlobs } from '../examine/glob.ts';
import type { Defect } from '../format/defect.ts';
import type { Manifest } from '../format/manifest.ts';
import { isPathSource, isStored, localImageOf } from '../format/source.ts';
import { openImage } from '../source/local-images.ts';
import { folderModels } from '../source/model-folder.ts';
import { inspectLocal } from './local-files.ts';
import { isAddress } from './local-paths.ts';
import { requireSafeNames, selectFiles } from './select.ts';

/** How many files of one source a defect names. */
const NAMED = 5;

/**
 * Checks what the local sources of a manifest contain, as far as names, kinds and sizes tell: the files that globs select,
 * the image that a name selects. No file is read whole. A source with mirrors is left out: another may be used. Warns of
 * globs that match nothing.
 * @throws StowageError `interrupted`, `io-failed` unless this user may not read a file
 */
export async function contentDefects(
  { models, images, files }: Manifest,
  folder: string,
  { signal, emit }: Pick<Context, 'signal' | 'emit'>,
): Promise<Defect[]> {
  const defects: Defect[] = [];
  const check = async (path: Defect['path'], look: () => Promise<unknown>): Promise<void> => {
    const message = await failureOf(look);
    if (message !== undefined) defects.push({ path, message });
  };
  for (const [index, model] of models.entries()) {
    if (model.mirrors !== undefined || !isPathSource(model.source)) continue;
    await check(['models', index, 'source'], async () => {
      const found = await folderModels({ folder }).resolve(model, signal);
      requireSafeNames(model, selectFiles(model, found.files));
      const listed = found.files.map((each) => each.path);
      for (const { what, glob } of unmatchedGlobs(model, listed))
        emit({
          type: 'warning',
          message: `model ${model.name}: ${what} ${JSON.stringify(glob)} matches no file of ${model.source}`,
          hint: 'correct the glob, or remove it: each must match a whole path, as in huggingface_hub',
        });
    });
  }
  for (const [index, { name, source, mirrors }] of images.entries()) {
    const image = localImageOf(source);
    if (mirrors !== undefined || image === undefined || isStored(image)) continue;
    await check(['images', index, 'source'], () => openImage(image, folder, name));
  }
  for (const [index, { source }] of files.entries()) {
    if (isAddress(source)) continue;
    await check(['files', index, 'source'], () => inspectLocal(resolvePath(folder, source)));
  }
  return defects;
}

async function failureOf(look: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await look();
    return undefined;
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    const denied = ['EACCES', 'EPERM'].includes(systemCode(error.cause) ?? '');
    if (error.code === 'interrupted' || (error.code === 'io-failed' && !denied)) throw error;
    const { message, expected, found, defects, hint } = error;
    const listed = defects.length > 1 || found === undefined;
    const what = listed ? defects.slice(0, NAMED).join(', ') : found;
    return [
      message,
      ...(expected === undefined ? [] : [`expected ${expected}`]),
      ...(what === '' ? [] : [`found ${what}`]),
      hint,
    ].join('; ');
  }
}
