import { dirname } from 'node:path';
import { MIB } from '../../../core/limits.ts';
import { formatBytes } from '../../../core/text.ts';
import { momentOf } from '../../../format/field.ts';
import type { Constraint } from '../../../format/plan.ts';
import type { Window } from '../../../format/site.ts';
import { type Arrival, arrivals } from '../../../target/change.ts';
import type { FileSystem } from '../../../target/host/host-probe.ts';
import { type DiskUse, filesIn } from '../../../target/target.ts';
import { isOpen, localText, nextOpening } from '../window.ts';
import type { ConstraintInput } from './constraint.ts';

/** For journal, ledger, generation and receipt. */
const OWN_BYTES = 16 * MIB;
const OWN_FILES = 100;

/** Every file system has room for what the change writes to it, in bytes and in files. */
export async function space(input: ConstraintInput): Promise<Constraint[]> {
  const coming = arrivals(input.context.change);
  if (coming.length === 0) return [];
  const places = new Map<string, { system: FileSystem; loads: DiskUse[] }>();
  for (const load of [siteLoad(coming, input), ...(await input.target.diskUse(input.context))]) {
    const system = await input.context.host.fileSystem(load.path);
    const place = places.get(system.id) ?? { system, loads: [] };
    places.set(system.id, { system, loads: [...place.loads, load] });
  }
  return [...places.values()].flatMap(({ system, loads }) => judge(system, loads));
}

function judge({ freeBytes, freeFiles }: FileSystem, loads: readonly DiskUse[]): Constraint[] {
  const bytes = loads.reduce((sum, each) => sum + each.bytes, 0);
  const files = loads.reduce((sum, each) => sum + each.files, 0);
  const place = `on the file system of ${[...new Set(loads.map((each) => each.path))].join(' and ')}`;
  return [
    {
      rule: 'space',
      satisfied: freeBytes >= bytes,
      needs: `${formatBytes(bytes)} free ${place}`,
      found: `${formatBytes(freeBytes)} free`,
    },
    {
      rule: 'inodes',
      satisfied: freeFiles === undefined || freeFiles >= files,
      needs: `room for ${files} more files ${place}`,
      found: freeFiles === undefined ? 'no limit on files' : `room for ${freeFiles}`,
    },
  ];
}

/** Hard links to the store only need folders; trees are unpacked, templates are rendered. */
function siteLoad(coming: readonly Arrival[], { site, context }: ConstraintInput): DiskUse {
  let bytes = OWN_BYTES;
  let files = OWN_FILES;
  for (const { bundle, release } of coming) {
    for (const { text } of release.texts) bytes += Buffer.byteLength(text);
    files += release.texts.length;
    if (context.change.from.releases.some((each) => each.bundle === release.bundle)) continue;
    const folders = bundle.models.flatMap((model) =>
      model.files.map(({ path }) => dirname(`${model.name}/${path}`)),
    );
    files += new Set(folders).size + bundle.files.length;
    for (const { size } of bundle.files.filter(({ kind }) => kind === 'tree')) {
      bytes += size;
      files += filesIn(size);
    }
  }
  return { path: site.root, bytes, files };
}

/** A change begins in a maintenance window. At a site without windows, it can begin at any time. */
export function maintenanceWindows({ settings, now }: ConstraintInput): Constraint[] {
  const { windows } = settings;
  if (windows.length === 0) return [];
  const open = windows.find((each) => isOpen(each, now));
  const opening = nextOpening(windows, now);
  const zones = [...new Set(windows.map((each) => each.timeZone))].slice(0, 4);
  const clocks = zones.map((zone) => `${localText(now, zone)} in ${zone}`).join(', ');
  const next = opening === undefined ? 'none opens' : `the next opens at ${momentOf(opening)}`;
  return [
    {
      rule: 'window',
      satisfied: open !== undefined,
      needs: `a change begins in a maintenance window: ${windows.map(describe).join('; ')}`,
      found: open === undefined ? `${clocks}; ${next}` : `open now: ${describe(open)}`,
    },
  ];
}

/** No change begins in a suppressed period of the site. */
export function suppressions({ settings, now }: ConstraintInput): Constraint[] {
  const moment = momentOf(now);
  return settings.suppressions.map(({ from, until, reason }) => {
    const within = moment >= from && moment < until;
    return {
      rule: 'suppression',
      satisfied: !within,
      needs: `no change begins from ${from} until ${until}: ${reason}`,
      found: within ? `it is ${moment}` : moment < from ? 'not yet' : 'over',
    };
  });
}

function describe({ days, from, to, timeZone }: Window): string {
  const when = days.length === 7 ? 'daily' : days.join(' ');
  return `${when} ${from} to ${to} ${timeZone}`;
}
