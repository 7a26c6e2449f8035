import { type FolderModel, manifestFromFolder } from '../../build/manifest-from-folder.ts';
import { MAX_MANIFEST_BYTES } from '../../core/limits.ts';
import { salvageYaml } from '../../format/yaml-document.ts';
import { parseHubSource } from '../../source/hub-source.ts';
import type { Hub } from '../../source/hugging-face.ts';
import { wholeOf } from '../../source/origin.ts';
import type { CommandContext } from '../command.ts';
import { openSources } from './sources.ts';

/**
 * A manifest for a model of a Hub, by its list of files, its license and its `config.json`.
 * @throws StowageError `manifest-invalid` for another source, `source-*`
 */
export async function manifestFromHub(source: string, context: CommandContext): Promise<string> {
  const { repository, revision } = parseHubSource(source);
  const { hub } = await openSources({ insecureRegistry: [] }, context);
  return manifestFromFolder({
    source: `hf://${repository}@${revision}`,
    ...(await factsOf(hub, source, context.signal)),
  });
}

async function factsOf(
  hub: Hub,
  source: string,
  signal: AbortSignal,
): Promise<Omit<FolderModel, 'source'>> {
  const model = await hub.resolve(source, signal);
  const names = model.files.map(({ path }) => path);
  const config = names.includes('config.json')
    ? salvageYaml(await wholeOf(await hub.file(model, 'config.json'), MAX_MANIFEST_BYTES, signal))
    : undefined;
  const { license } = model;
  return { names, config, ...(license === undefined ? {} : { license }) };
}
