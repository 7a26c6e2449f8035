import { compare, satisfies } from 'semver';
import { StowageError } from '../core/error.ts';
import { nearest } from '../core/text.ts';
import { Answers } from './answers.ts';
import type { Database } from './index/database.ts';

/** A release that the fleet knows by its bundle. */
export interface FleetRelease {
  readonly bundle: string;
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** The bytes of all files of the bundle. */
  readonly bytes: number;
  readonly upgradeFrom?: string;
  /** The channels that have it, and since when: that for which it was packed, and those to which it was promoted. */
  readonly channels: Readonly<Record<string, string>>;
}

/** Versions that must no longer run. */
export interface FleetRecall {
  readonly path: string;
  readonly name: string;
  readonly versions: string;
  readonly reason: string;
  readonly at: string;
  /** The oldest version to which a site may go back; absent if only newer ones will do. */
  readonly backTo?: string;
}

/** The newest advisory about a bundle. */
export interface FleetAdvisory {
  readonly path: string;
  readonly bundle: string;
  /** When the release was scanned. */
  readonly at: string;
  readonly total: number;
  /** Vulnerabilities with which a person must still do something. */
  readonly open: number;
}

/** What a fleet knows of releases. */
export interface Catalog {
  /** Newest sequence first. */
  readonly releases: readonly FleetRelease[];
  readonly recalls: readonly FleetRecall[];
  /** By the bundle. */
  readonly advisories: ReadonlyMap<string, FleetAdvisory>;
}

export function catalogOf(database: Database): Catalog {
  const promotions = Map.groupBy(
    database.all<{ bundle: string; channel: string; at: string }>(
      'SELECT bundle, channel, at FROM promotion ORDER BY at',
    ),
    ({ bundle }) => bundle,
  );
  const releases = database
    .all<{
      bundle: string;
      name: string;
      version: string;
      seq: number;
      channel: string;
      resolved_at: string;
      bytes: number;
      upgrade_from: string | null;
    }>('SELECT * FROM release ORDER BY name, seq DESC, bundle')
    .map(({ channel, resolved_at, upgrade_from, bundle, name, version, seq, bytes }) => ({
      ...{ bundle, name, version, seq, bytes },
      ...(upgrade_from === null ? {} : { upgradeFrom: upgrade_from }),
      channels: {
        ...Object.fromEntries(
          (promotions.get(bundle) ?? []).map((each) => [each.channel, each.at]),
        ),
        [channel]: resolved_at,
      },
    }));
  const recalls = database
    .all<Omit<FleetRecall, 'backTo'> & { back_to: string | null }>(
      'SELECT path, name, versions, reason, at, back_to FROM recall ORDER BY name, at, path',
    )
    .map(({ back_to, ...rest }) => ({ ...rest, ...(back_to === null ? {} : { backTo: back_to }) }));
  // Of two from the same second, the one with the higher number was made later.
  const advisories = new Map(
    database
      .all<FleetAdvisory>(
        'SELECT path, bundle, at, total, open FROM advisory ORDER BY at, length(path), path',
      )
      .map((each) => [each.bundle, each]),
  );
  return { releases, recalls, advisories };
}

// Comparing a version with a range is slow.
const recalledBy = new Answers<readonly FleetRecall[], readonly FleetRecall[]>();

/** The recalls that apply to a version, all of which bind a site. */
export function recallsOf(
  { name, version }: { readonly name: string; readonly version: string },
  { recalls }: Pick<Catalog, 'recalls'>,
): readonly FleetRecall[] {
  return recalledBy.answer(recalls, `${name}@${version}`, () =>
    recalls.filter(
      (each) =>
        each.name === name && satisfies(version, each.versions, { includePrerelease: true }),
    ),
  );
}

/**
 * Why versions were recalled, and where all of these recalls lead from them, in words.
 * @param forward the words for newer versions alone
 */
export function recallWords(
  recalls: readonly Pick<FleetRecall, 'reason' | 'backTo'>[],
  forward = 'upgrade only',
): {
  readonly reason: string;
  readonly way: string;
} {
  const reason = [...new Set(recalls.map((each) => each.reason))].join('; ');
  const back = recalls.flatMap(({ backTo }) => backTo ?? []).toSorted(compare);
  const way =
    back.length < recalls.length ? forward : `upgrade, or go back to ${back.at(-1)} or later`;
  return { reason, way };
}

const bundlesBy = new Answers<Catalog, ReadonlySet<string>>();

/** The bundles of a name that the fleet knows. */
export function bundlesOf(name: string, catalog: Catalog): ReadonlySet<string> {
  return bundlesBy.answer(
    catalog,
    name,
    () =>
      new Set(catalog.releases.filter((each) => each.name === name).map(({ bundle }) => bundle)),
  );
}

/**
 * The release that a person named: `NAME@VERSION`, or at least 16 digits of the bundle's SHA-512.
 * @throws StowageError `release-unknown`
 */
export function releaseNamed(text: string, { releases }: Catalog): FleetRelease {
  const found = /^[0-9a-f]{16,128}$/.test(text)
    ? releases.filter(({ bundle }) => bundle.startsWith(text))
    : releases.filter(({ name, version }) => `${name}@${version}` === text);
  const [only, other] = found;
  if (only !== undefined && other === undefined) return only;
  const names = releases.map(({ name, version }) => `${name}@${version}`);
  const near = nearest(text, names);
  throw new StowageError(
    'release-unknown',
    only === undefined
      ? `this fleet knows no release ${text}`
      : `this fleet knows several bundles of ${text}`,
    {
      expected:
        only === undefined
          ? names.slice(0, 10).join(', ') || 'a release; none was added yet'
          : 'a digest that names one of them',
      found: only === undefined ? text : found.map(({ bundle }) => bundle.slice(0, 16)).join(', '),
      hint:
        only !== undefined
          ? 'give the first 16 digits of the digest of the bundle'
          : near === undefined
            ? 'run stowage fleet releases to list them, or stowage fleet add-release to add one'
            : `did you mean ${near}?`,
    },
  );
}
