import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { manifestFromCompose } from '../../build/manifest-from-compose.ts';
import { manifestFromFolder } from '../../build/manifest-from-folder.ts';
import { StowageError } from '../../core/error.ts';
import { fieldsOf } from '../../core/json.ts';
import { MAX_MANIFEST_BYTES } from '../../core/limits.ts';
import { salvageYaml } from '../../format/yaml-document.ts';
import { exists, ioError, namesIn, readNamed } from '../../io/file.ts';
import { type CommandContext, usage } from '../command.ts';
import { manifestFromHub } from './init-from-hub.ts';

/** A manifest made from a model of a Hub, from a compose file or from the folder of a model. @param folder of the manifest */
export async function manifestFrom(
  from: string,
  folder: string,
  context: CommandContext,
): Promise<string> {
  if (from.startsWith('hf://')) return manifestFromHub(from, context);
  if (/^[a-z][a-z0-9+.-]*:\/\//.test(from))
    throw usage(
      '--from reads models of a Hub, and what is on this machine',
      'hf://organisation/name, a compose file, or the folder of a model',
      from,
      `run stowage init without --from, and set source: ${from}`,
    );
  const path = context.path(from);
  if (/\.ya?ml$/i.test(path)) {
    const compose = salvageYaml(await readNamed(path, MAX_MANIFEST_BYTES));
    if (Object.keys(fieldsOf(fieldsOf(compose)['services'])).length === 0)
      throw usage(
        'the compose file has no services that can be read',
        'a compose file without anchors, aliases and merges',
        path,
        'write the resolved file with "docker compose config", and name that',
      );
    return manifestFromCompose(compose, basename(path), basename(dirname(path)), (given) =>
      isAbsolute(given) ? given : nearPath(folder, join(dirname(path), given)),
    );
  }
  if (!(await exists(path)))
    throw new StowageError('file-missing', `${path} does not exist`, {
      expected: 'a compose file, or the folder of a model',
      found: 'nothing',
      hint: 'check the path that --from names',
    });
  await requireModel(path);
  const names = await namesIn(path);
  const config = names.includes('config.json')
    ? salvageYaml(await readNamed(join(path, 'config.json'), MAX_MANIFEST_BYTES))
    : undefined;
  return manifestFromFolder({ source: nearPath(folder, path), names, config });
}

/** The configuration of a model, or weights. */
const MODEL_FILE =
  /^(?:config|model_index|adapter_config)\.json$|\.(?:safetensors|gguf|ggml|onnx|bin|pth?|ckpt|h5|keras|msgpack|nemo|engine)$/i;
/** A snapshot in the cache of a Hub is two folders below that of its repository, and has folders itself. */
const MODEL_DEPTH = 4;

/** @throws StowageError `file-missing` for what is no folder, or a folder without a model; `io-failed` */
async function requireModel(path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory())
      throw new StowageError('file-missing', `${path} is neither a compose file nor a folder`, {
        expected: 'a compose file, whose name ends in .yaml or .yml, or the folder of a model',
        found: 'another file',
        hint: 'give the folder of the model, not a file in it; rename a compose file that has another ending',
      });
    if (await hasModel(path, MODEL_DEPTH)) return;
  } catch (error) {
    throw ioError(error, path);
  }
  throw new StowageError('file-missing', `there is no model in ${path}`, {
    expected: 'config.json, or weights such as *.safetensors, *.gguf, *.onnx, *.bin or *.pt',
    found: 'none of them, there and in its folders',
    hint: 'give the folder that contains the files of the model',
  });
}

async function hasModel(folder: string, depth: number): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (entries.some((each) => !each.isDirectory() && MODEL_FILE.test(each.name))) return true;
  if (depth === 1) return false;
  for (const each of entries)
    if (each.isDirectory() && (await hasModel(join(folder, each.name), depth - 1))) return true;
  return false;
}

/** A path as a manifest in a folder names it. */
function nearPath(folder: string, path: string): string {
  const near = relative(folder, path);
  return near.startsWith('../') ? near : `./${near}`;
}
