import { exactBytes, printableLines } from '../../../core/text.ts';
import { changeFleet } from '../../../fleet/change.ts';
import { withIndex } from '../../../fleet/index/fleet-index.ts';
import { type NextForSite, nextForSites } from '../../../fleet/next.ts';
import { recallWords } from '../../../fleet/releases.ts';
import { hasLabels, siteNamed, sitesOf } from '../../../fleet/sites.ts';
import { documentsInWords } from '../../../fleet/under-way.ts';
import { type CommandContext, type CommandResult, usage } from '../../command.ts';
import { changeOptions, type FleetOption, labelsOf, openFleet } from './open-fleet.ts';
import type { WriteNextOptions } from './write-next.ts';

export interface NextOptions extends FleetOption, WriteNextOptions {
  readonly label: readonly string[];
  readonly write?: string;
}

/** What must travel to a site, or to each; with `--write`, writes it to media. */
export async function next(
  site: string | undefined,
  options: NextOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const labels = labelsOf(options.label);
  const { write, key, from, discSize } = options;
  if (write !== undefined) {
    if (site === undefined) throw usage('--write needs a site', 'the name of one site', 'none');
    const output = context.path(write);
    const { writeNext } = await import('./write-next.ts');
    return changeFleet(folder, changeOptions(context), (fleet) =>
      writeNext(site, output, options, fleet, context),
    );
  }
  if (key !== undefined || from.length > 0 || discSize !== undefined)
    throw usage('an option needs --write', '--write FOLDER', 'none');
  return withIndex(folder, context, async (fleet) => {
    const { database } = fleet;
    const sites =
      site === undefined
        ? sitesOf(database).filter((each) => hasLabels(each, labels))
        : [siteNamed(database, site)];
    const found = await nextForSites(fleet, sites, context.now());
    const shown = site === undefined ? found.filter(isDue) : found;
    const text =
      shown.length === 0 ? 'nothing must travel\n' : `${shown.flatMap(lines).join('\n')}\n`;
    return { json: { sites: found }, text: printableLines(text) };
  });
}

function isDue({ trust, documents, recalls, releases, obstacles }: NextForSite): boolean {
  const counts = [documents, recalls, releases, obstacles].map((each) => each.length);
  return trust !== undefined || counts.some((each) => each > 0);
}

function lines(due: NextForSite): string[] {
  const { site, receipt, trust, documents, recalls, releases, obstacles } = due;
  const travels = [
    ...(trust === undefined ? [] : [`  trust document ${trust}`]),
    ...(documents.length === 0 ? [] : [`  notice: ${documentsInWords(documents)}`]),
    ...[...Map.groupBy(recalls, ({ name, version }) => `${name} ${version}`)].map(([of, all]) => {
      const { reason, way } = recallWords(all);
      return `  recall of ${of}: ${reason}; ${way}`;
    }),
    ...releases.map(({ name, version, from, bundle, bytes, missing }, at) => {
      const amount =
        missing === undefined
          ? exactBytes(bytes)
          : `${exactBytes(missing)} of content that the site lacks, of a bundle of ${exactBytes(bytes)}`;
      return `  ${at + 1}. ${name} ${version}, replacing ${from}: ${amount}, bundle ${bundle.slice(0, 16)}`;
    }),
    ...obstacles.map((each) => `  OBSTACLE: ${each}`),
  ];
  return [
    `${site}${receipt === undefined ? '' : `, by its receipt of ${receipt.at}`}`,
    ...(travels.length === 0 ? ['  nothing must travel'] : travels),
  ];
}
