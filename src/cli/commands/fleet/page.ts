import { fleetPage } from '../../../fleet/fleet-page.ts';
import { withIndex } from '../../../fleet/index/fleet-index.ts';
import { recallProgress } from '../../../fleet/recall-progress.ts';
import { catalogOf } from '../../../fleet/releases.ts';
import { receiptsOf } from '../../../fleet/site-report.ts';
import { fleetStatus } from '../../../fleet/status.ts';
import { writeAtomic } from '../../../io/file.ts';
import type { CommandContext, CommandResult } from '../../command.ts';
import { type FleetOption, labelsOf, openFleet } from './open-fleet.ts';

/** Receipts of each site that the page shows. */
const SHOWN = 6;

/** Writes the state of a fleet as a page; an older page at the same path is replaced. */
export async function fleetPageTo(
  file: string,
  options: FleetOption & { readonly label: readonly string[] },
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const settings = await folder.settings();
  const filter = { labels: labelsOf(options.label) };
  return withIndex(folder, context, async ({ database }) => {
    const status = fleetStatus(database, { settings, now: context.now(), filter });
    const recalls = catalogOf(database).recalls.map((each) => recallProgress(each, status));
    const history = (site: string): ReturnType<typeof receiptsOf> =>
      receiptsOf(database, site, SHOWN);
    const path = context.path(file);
    await writeAtomic(path, fleetPage({ status, recalls, history }));
    return { json: { page: path, sites: status.sites.length }, text: `${path}\n` };
  });
}
