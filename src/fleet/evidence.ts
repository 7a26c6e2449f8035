import {
  type AttachedRehearsal,
  attachedRehearsal,
} from '../bundle/rehearsal/attached-rehearsal.ts';
import {
  judgeRehearsal,
  type RehearsalCheck,
  rehearsalHints,
} from '../bundle/rehearsal/judge-rehearsal.ts';
import { counted } from '../core/text.ts';
import { bundleKind } from '../format/bundle.ts';
import { readCanonical } from '../format/document.ts';
import type { Fleet } from '../format/fleet.ts';
import type { RehearsalRequirement } from '../format/rehearsal-requirement.ts';
import { type FleetFolder, releaseFolder, releaseRehearsal } from './fleet-folder.ts';
import { type Database, recordedFile } from './index/database.ts';
import { readRecorded } from './recorded-file.ts';
import { type Catalog, type FleetRelease, recallsOf, recallWords } from './releases.ts';
import { runningSince } from './site-report.ts';

/** A condition of a promotion. */
export interface PromotionCheck {
  readonly rule: 'from' | 'recall' | 'healthy' | 'rehearsal' | 'rehearsal-age';
  readonly satisfied: boolean;
  readonly needs: string;
  readonly found: string;
  /** If it is not satisfied, and more is to be said than what it needs: the code of it, and what a person can do. */
  readonly code?: RehearsalCheck['code'];
  readonly hint?: string;
}

export interface PromotionInput {
  readonly release: FleetRelease;
  readonly to: string;
  readonly settings: Fleet;
  readonly catalog: Catalog;
  readonly database: Database;
  readonly folder: FleetFolder;
  readonly now: Date;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * What must hold before a release is promoted to a channel, but for the signatures.
 * @throws StowageError `fleet-damaged` for a recorded `bundle.json` that is not as it was, `io-failed`
 */
export async function promotionChecks(input: PromotionInput): Promise<PromotionCheck[]> {
  const { release, to, settings, catalog } = input;
  const { from, evidence = {} } = settings.channels[to] ?? {};
  const inChannels = Object.keys(release.channels).toSorted().join(', ');
  const recalls = recallsOf(release, catalog);
  return [
    {
      rule: 'from',
      satisfied: from !== undefined && Object.hasOwn(release.channels, from),
      needs: from === undefined ? `a channel before ${to} in fleet.yaml` : `channel ${from} has it`,
      found: `it is in ${inChannels}`,
    },
    {
      rule: 'recall',
      satisfied: recalls.length === 0,
      needs: 'it is not recalled',
      found: recalls.length === 0 ? 'no recall' : `recalled: ${recallWords(recalls).reason}`,
    },
    ...(evidence.healthy === undefined ? [] : [healthCheck(evidence.healthy, input)]),
    ...(evidence.rehearsal === undefined
      ? []
      : rehearsalChecks(evidence.rehearsal, await rehearsalOf(input), input.now)),
  ];
}

function rehearsalChecks(
  asked: RehearsalRequirement,
  attached: AttachedRehearsal,
  now: Date,
): PromotionCheck[] {
  return judgeRehearsal(attached, asked, now).map(({ code, satisfied, needs, found }) => ({
    rule: code === 'rehearsal-missing' ? 'rehearsal' : 'rehearsal-age',
    ...{ satisfied, needs, found },
    ...(satisfied ? {} : { code, hint: rehearsalHints[code] }),
  }));
}

/** The rehearsal of a release, from what was recorded of its bundle. */
async function rehearsalOf({
  release: { bundle: id },
  folder,
  database,
}: PromotionInput): Promise<AttachedRehearsal> {
  const read = async (path: string): Promise<Buffer | undefined> => {
    const recorded = recordedFile(database, path);
    return recorded === undefined ? undefined : readRecorded(recorded, folder.root);
  };
  const index = await read(`${releaseFolder(id)}/bundle.json`);
  if (index === undefined) return { missing: 'the fleet has no bundle.json of the bundle' };
  return attachedRehearsal(readCanonical(bundleKind, index), (path) =>
    read(releaseRehearsal(id, path)),
  );
}

function healthCheck(
  { sites, days }: { readonly sites: number; readonly days: number },
  { release, database }: PromotionInput,
): PromotionCheck {
  const found = healthySites(release.bundle, days, database);
  const shown = found.slice(0, 10).join(', ');
  return {
    rule: 'healthy',
    satisfied: found.length >= sites,
    needs: `${counted(sites, 'site')} healthy with it for ${counted(days, 'day')}, as their receipts say`,
    found: `${counted(found.length, 'site')}${shown === '' ? '' : `: ${shown}${found.length > 10 ? ', ...' : ''}`}`,
  };
}

/**
 * The sites that run a bundle now, whose receipts show it without a break for so many days, healthy in each of them. A site whose
 * receipts contradict each other shows nothing.
 */
function healthySites(bundle: string, days: number, database: Database): string[] {
  const running = database.all<{ site: string; at: string }>(
    `SELECT newest.site, receipt.at FROM newest JOIN receipt ON receipt.id = newest.receipt
     JOIN run ON run.receipt = receipt.id AND run.bundle = ?
     WHERE newest.site NOT IN (SELECT site FROM alarm WHERE kind <> 'gap') ORDER BY newest.site`,
    bundle,
  );
  return running
    .filter(({ site, at }) => {
      const since = runningSince(database, site, bundle);
      if (since === undefined || Date.parse(at) - Date.parse(since) < days * DAY_MS) return false;
      const sql = 'SELECT 1 FROM receipt WHERE site = ? AND at >= ? AND healthy = 0';
      return database.first(sql, site, since) === undefined;
    })
    .map(({ site }) => site);
}
