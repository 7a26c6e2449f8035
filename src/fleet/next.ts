import { satisfies } from 'semver';
import { storedOf } from '../bundle/increment/receiver.ts';
import { counted } from '../core/text.ts';
import { type Bundle, bundleKind } from '../format/bundle.ts';
import { readCanonical } from '../format/document.ts';
import type { FleetSite } from '../format/fleet.ts';
import { readBounded } from '../io/file.ts';
import { releaseFolder } from './fleet-folder.ts';
import type { Database } from './index/database.ts';
import type { IndexedFleet } from './index/fleet-index.ts';
import { newerThan, upgradePath } from './newer-releases.ts';
import type { ReceiptState } from './receipt-state.ts';
import { type Catalog, catalogOf, type FleetRecall, recallsOf } from './releases.ts';
import { untoldIn } from './untold.ts';

/** A bundle that must travel, in the order of installation. */
export interface NextRelease {
  readonly name: string;
  readonly version: string;
  readonly bundle: string;
  /** What it replaces. */
  readonly from: string;
  /** Bytes of the whole bundle. */
  readonly bytes: number;
  /** Bytes that the site lacks, by the bundles that its receipt lists as complete; absent if it lists none. */
  readonly missing?: number;
}

/** What must travel to a site now. */
export interface NextForSite {
  readonly site: string;
  /** The receipt that this follows from; absent if none came home. */
  readonly receipt?: { readonly path: string; readonly at: string };
  /** The trust document, if it was issued after that receipt was written. */
  readonly trust?: number;
  /** The documents of the fleet that a notice must bring: what no receipt of the site confirms. */
  readonly documents: readonly string[];
  /** Recalls of what the site runs. */
  readonly recalls: readonly (FleetRecall & { readonly version: string })[];
  readonly releases: readonly NextRelease[];
  /** Why something that its channels have cannot travel, or will not fit. */
  readonly obstacles: readonly string[];
}

/** What must travel to sites, by the newest receipt of each. Reads the indexes of the bundles in question. */
export async function nextForSites(
  fleet: IndexedFleet,
  sites: readonly FleetSite[],
  now: Date,
): Promise<NextForSite[]> {
  const { database, folder } = fleet;
  const catalog = catalogOf(database);
  // The first one came to the sites with a person.
  const trust = (await folder.trust(now)).slice(1).at(-1);
  const blobs = new BundleBlobs(fleet, catalog);
  const untold = untoldIn(database, catalog);
  const newest = newestStates(database, sites);
  const result: NextForSite[] = [];
  for (const site of sites) {
    if (site.retired === true) continue;
    const found = newest.get(site.name);
    if (found === undefined) {
      const obstacles = ['no receipt came home yet: a full bundle must travel first'];
      result.push({ site: site.name, documents: [], recalls: [], releases: [], obstacles });
      continue;
    }
    const { path, at } = found;
    const state = JSON.parse(found.state) as ReceiptState;
    const isNewer = trust !== undefined && trust.issuedAt > at;
    result.push({
      site: site.name,
      receipt: { path, at },
      ...(isNewer ? { trust: trust.version } : {}),
      documents: untold(site, state).map((each) => each.path),
      ...(await forSite(site, state, { catalog, blobs })),
    });
  }
  return result;
}

interface NewestState {
  readonly site: string;
  readonly path: string;
  readonly at: string;
  readonly state: string;
}

/** What the newest receipt of each site shows, by the site. */
function newestStates(
  database: Database,
  sites: readonly FleetSite[],
): ReadonlyMap<string, NewestState> {
  const sql =
    'SELECT receipt.site, path, at, state FROM newest JOIN receipt ON id = newest.receipt';
  const [only, ...others] = sites;
  const rows =
    only !== undefined && others.length === 0
      ? database.all<NewestState>(`${sql} WHERE newest.site = ?`, only.name)
      : database.all<NewestState>(sql);
  return new Map(rows.map((each) => [each.site, each]));
}

async function forSite(
  { channels }: FleetSite,
  state: ReceiptState,
  { catalog, blobs }: { readonly catalog: Catalog; readonly blobs: BundleBlobs },
): Promise<Pick<NextForSite, 'recalls' | 'releases' | 'obstacles'>> {
  const recalls = state.releases.flatMap((each) =>
    recallsOf(each, catalog).map((recall) => ({ ...recall, version: each.version })),
  );
  const releases: NextRelease[] = [];
  const obstacles: string[] = [];
  const held = new Set<string>();
  for (const { bundle, parts } of state.holds ?? [])
    for (const digest of (await blobs.of(bundle, parts))?.keys() ?? []) held.add(digest);
  let needed = 0;
  for (const running of state.releases) {
    const newer = newerThan(running, channels, catalog);
    const path = upgradePath(running.version, newer);
    if (path === undefined) {
      const [newest] = newer;
      obstacles.push(
        `no path from ${running.name} ${running.version} to ${newest?.version}: it upgrades ${newest?.upgradeFrom ?? 'any version'}`,
      );
      continue;
    }
    let from = running.version;
    for (const { name, version, bundle, bytes } of path) {
      const own = (await blobs.of(bundle)) ?? new Map<string, number>();
      const missing = [...own].filter(([digest]) => !held.has(digest));
      const lacking = missing.reduce((sum, [, size]) => sum + size, 0);
      for (const [digest] of missing) held.add(digest);
      needed += lacking;
      const known = state.holds === undefined ? {} : { missing: lacking };
      releases.push({ name, version, bundle, from, bytes, ...known });
      from = version;
    }
  }
  const { free } = state;
  if (free !== undefined && needed > free)
    obstacles.push(`the site had ${counted(free, 'byte')} free, and needs ${needed}`);
  for (const { name, version, bundle } of releases)
    obstacles.push(
      ...(await blobs.unmet(bundle, state, releases)).map((each) => `${name} ${version} ${each}`),
    );
  return { recalls, releases, obstacles };
}

/** The indexes of bundles that the fleet knows, each read once. */
class BundleBlobs {
  readonly #fleet: IndexedFleet;
  readonly #known: ReadonlySet<string>;
  readonly #read = new Map<string, Bundle>();
  readonly #blobs = new Map<string, ReadonlyMap<string, number>>();

  constructor(fleet: IndexedFleet, { releases }: Catalog) {
    this.#fleet = fleet;
    this.#known = new Set(releases.map(({ bundle }) => bundle));
  }

  /**
   * The size of each blob of a bundle; undefined for one that the fleet does not know.
   * @param parts the optional parts that count; all if absent
   */
  async of(
    id: string,
    parts?: readonly string[],
  ): Promise<ReadonlyMap<string, number> | undefined> {
    const bundle = await this.#bundle(id);
    if (bundle === undefined) return undefined;
    const key = JSON.stringify([id, parts]);
    const found =
      this.#blobs.get(key) ??
      new Map(storedOf(bundle, parts).blobs.map(({ digest, size }) => [digest, size]));
    this.#blobs.set(key, found);
    return found;
  }

  /** What a bundle requires of other releases and does not find, now or after what else travels. */
  async unmet(
    id: string,
    { releases }: Pick<ReceiptState, 'releases'>,
    travelling: readonly NextRelease[],
  ): Promise<string[]> {
    const { requires } = (await this.#bundle(id)) ?? {};
    const present = [...releases, ...travelling];
    return (requires?.releases ?? [])
      .filter(
        (need) =>
          !present.some(
            ({ name, version }) => name === need.name && satisfies(version, need.version),
          ),
      )
      .map(({ name, version }) => `requires ${name} ${version}, which the site does not run`);
  }

  async #bundle(id: string): Promise<Bundle | undefined> {
    if (!this.#known.has(id)) return undefined;
    const before = this.#read.get(id);
    if (before !== undefined) return before;
    const path = this.#fleet.folder.path(releaseFolder(id), 'bundle.json');
    const bundle = readCanonical(bundleKind, await readBounded(path, bundleKind.maxBytes));
    this.#read.set(id, bundle);
    return bundle;
  }
}
