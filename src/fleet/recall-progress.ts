import type { FleetRecall } from './releases.ts';
import { recallOf } from './releases.ts';
import type { FleetStatus } from './status.ts';

/** Where a recall stands, by the newest receipt of each site that ever ran a recalled version. */
export interface RecallProgress {
  readonly recall: FleetRecall;
  /** Sites that run a recalled version. */
  readonly running: readonly string[];
  /** Sites whose receipt is older than the recall, so that nothing is known since. */
  readonly silent: readonly string[];
  /** Sites whose receipt is newer than the recall and shows none of the versions. */
  readonly confirmed: readonly string[];
}

/** Who runs what a recall names, who confirmed, and of whom nothing is known since. */
export function recallProgress(recall: FleetRecall, { sites }: FleetStatus): RecallProgress {
  const running: string[] = [];
  const silent: string[] = [];
  const confirmed: string[] = [];
  for (const { site, receipt } of sites) {
    if (site.retired === true) continue;
    const runs = (receipt?.state.releases ?? []).some(
      (each) => recallOf(each, { releases: [], recalls: [recall] }) !== undefined,
    );
    if (runs) running.push(site.name);
    else if (receipt === undefined || receipt.at < recall.at) silent.push(site.name);
    else confirmed.push(site.name);
  }
  return { recall, running, silent, confirmed };
}
