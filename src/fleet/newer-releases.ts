import { satisfies } from 'semver';
import { Answers } from './answers.ts';
import { type Catalog, type FleetRelease, recallsOf } from './releases.ts';

const newerBy = new Answers<Catalog, readonly FleetRelease[]>();

/** The releases of a name with a higher sequence that these channels have, newest first; recalled ones are left out. */
export function newerThan(
  { name, seq }: { readonly name: string; readonly seq: number },
  channels: readonly string[],
  catalog: Catalog,
): readonly FleetRelease[] {
  return newerBy.answer(catalog, [name, seq, ...channels].join(' '), () =>
    catalog.releases.filter(
      (each) =>
        each.name === name &&
        each.seq > seq &&
        channels.some((channel) => Object.hasOwn(each.channels, channel)) &&
        recallsOf(each, catalog).length === 0,
    ),
  );
}

const sinceBy = new Answers<readonly FleetRelease[], string>();

/** When the first of these channels had the first of these releases. @param releases of {@link newerThan} */
export function availableSince(
  releases: readonly FleetRelease[],
  channels: readonly string[],
): string {
  return sinceBy.answer(releases, channels.join(' '), () => {
    const times = releases.flatMap((each) => channels.flatMap((one) => each.channels[one] ?? []));
    return times.toSorted()[0] ?? '';
  });
}

interface Reached {
  readonly version: string;
  readonly seq: number;
  readonly path: readonly FleetRelease[];
}

type Paths = ReadonlyMap<FleetRelease, readonly FleetRelease[]>;

// By the list of newer releases.
const pathsFrom = new Answers<readonly FleetRelease[], Paths>();

/**
 * The fewest releases that lead from a version to the newest that can be reached, in their order; undefined if none can be.
 * @param newer newest first
 */
export function upgradePath(
  from: string,
  newer: readonly FleetRelease[],
): readonly FleetRelease[] | undefined {
  const [newest] = newer;
  if (newest === undefined) return [];
  const paths = pathsFrom.answer(newer, from, () => shortestPaths(from, newest, newer));
  return newer.map((each) => paths.get(each)).find((each) => each !== undefined);
}

/** The shortest paths, until there is one to the newest release. */
function shortestPaths(from: string, newest: FleetRelease, newer: readonly FleetRelease[]): Paths {
  const paths = new Map<FleetRelease, readonly FleetRelease[]>();
  let reached: readonly Reached[] = [{ version: from, seq: 0, path: [] }];
  while (reached.length > 0 && !paths.has(newest)) {
    const further: Reached[] = [];
    for (const { version, seq, path } of reached)
      for (const each of newer) {
        if (paths.has(each) || each.seq <= seq) continue;
        if (each.upgradeFrom !== undefined && !satisfies(version, each.upgradeFrom)) continue;
        const longer = [...path, each];
        paths.set(each, longer);
        further.push({ version: each.version, seq: each.seq, path: longer });
      }
    reached = further;
  }
  return paths;
}
