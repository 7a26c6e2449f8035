import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { exportHubCache } from '../../depot/hub-cache.ts';
import { catalogOf, catalogOfAll } from '../../site/catalog/catalog.ts';
import { findRelease, refusedWarning } from '../../site/release/release.ts';
import type { SiteFolder } from '../../site/site-folder.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { openFolder } from './site.ts';

export interface DepotExportOptions {
  readonly hfCache: string;
  readonly release: readonly string[];
  readonly root?: string;
}

/** Writes the models of imported releases into a Hugging Face cache folder. */
export async function depotExport(
  options: DepotExportOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openFolder(options.root, context);
  const catalog =
    options.release.length === 0
      ? await catalogOfAll(site, (refused) => context.emit(refusedWarning(refused)))
      : await catalogOf(site, await idsOf(site, options.release));
  const found = await exportHubCache(catalog, context.path(options.hfCache), context);
  const { folder, repositories, linked, copied, present } = found;
  const lines = repositories.flatMap(({ repository, names, files, bytes }) => [
    `${repository}: ${counted(files, 'file')}, ${formatBytes(bytes)}`,
    ...Object.entries(names).map(([name, commit]) => `  ${name}  ${commit}`),
  ]);
  const sum = `${counted(linked, 'file')} linked, ${copied} copied, ${present} already present`;
  const use = `  use: HF_HUB_OFFLINE=1 HF_HUB_CACHE=${folder}`;
  const text =
    repositories.length === 0
      ? 'no release at this site contains a model from the Hugging Face Hub\n'
      : `${[...lines, sum, use].join('\n')}\n`;
  return { json: found, text: printableLines(text) };
}

async function idsOf(site: SiteFolder, names: readonly string[]): Promise<string[]> {
  const releases = await Promise.all(names.map((name) => findRelease(site, name)));
  return releases.map(({ id }) => id);
}
