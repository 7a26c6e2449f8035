import { StowageError } from '../../core/error.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import type { Generation } from '../../format/plan.ts';
import { currentGeneration, generationNumbers, loadGeneration } from '../generations.ts';
import { unfinishedImports } from '../importing/partial-import.ts';
import { stateOf } from '../ledger/site-state.ts';
import { consistentReleases } from '../release/consistent.ts';
import type { RefusedRelease, Release, ReleaseList } from '../release/release.ts';
import type { SiteContext } from '../site-folder.ts';
import { withSite } from './change.ts';
import { promisedBundles } from './collect.ts';
import { removeStored, unneededBlobs } from './remove-stored.ts';

export interface ForgetOptions extends SiteContext {
  /** Whether to only report. */
  readonly dryRun: boolean;
}

/** What was removed or, in a dry run, would be. */
export interface Forgotten {
  /** `name version`, or the name of the folder of a release whose index cannot be read. */
  readonly release: string;
  /** The earlier generations that contained it, ascending: rollbacks to them are not possible anymore. */
  readonly generations: readonly number[];
  readonly blobs: number;
  readonly bytes: number;
  /** What keeps its blobs in the store: incomplete imports, or releases that cannot be read. */
  readonly keptBy: readonly string[];
  /** Until when a receipt promised to keep it, for increments that leave out what it has; absent if none did. */
  readonly promisedUntil?: string;
  /** Whether it cannot be imported again, because a newer one was. */
  readonly final: boolean;
}

/**
 * Removes an imported release that is not installed, the earlier generations that contain it, and the blobs that only it
 * has. After a kill, the next call continues.
 * @param name `NAME@VERSION`, at least 12 digits of a bundle's id, or `NAME` if only one version is stored
 * @throws StowageError `release-unknown`, `release-in-use`
 */
export async function forgetRelease(name: string, options: ForgetOptions): Promise<Forgotten> {
  const { site, now, dryRun } = options;
  return withSite(options, async (ledger) => {
    const list = await consistentReleases(site);
    const found = findStored(name, list);
    const current = await currentGeneration(site);
    const isFound = ({ bundle }: { bundle: string }): boolean => bundle.startsWith(found.prefix);
    if (current.releases.some(isFound)) throw inUse(found, current);
    const others: Generation[] = [];
    for (const number of await generationNumbers(site))
      if (number !== current.number) others.push(await loadGeneration(site, number));
    const generations = others.filter(({ releases }) => releases.some(isFound));
    const kept = [current, ...others.filter((each) => !generations.includes(each))];
    const unreadable = list.refused.filter((each) => each !== found.refused);
    const staying = list.releases.filter((each) => each !== found.release);
    const keptBy = [
      ...unreadable.map((each) => each.name),
      ...(await unfinishedImports(site)).map((each) => each.name),
    ];
    const blobs = keptBy.length > 0 ? [] : await unneededBlobs(site, staying, false);
    const promisedUntil = [...(await promisedBundles(site, now()))].find(([id]) =>
      id.startsWith(found.prefix),
    )?.[1];
    const forgotten = {
      release: found.name,
      generations: generations.map(({ number }) => number),
      blobs: blobs.length,
      bytes: blobs.reduce((sum, { size }) => sum + size, 0),
      keptBy,
      ...(promisedUntil === undefined ? {} : { promisedUntil }),
      final: isOutdated(found.prefix, ledger.entries),
    };
    if (dryRun) return forgotten;
    const releases = found.release === undefined ? [] : [found.release];
    const refused = found.refused === undefined ? [] : [found.refused];
    await removeStored({ generations, releases, refused, blobs }, kept, options);
    const counts = { generations: generations.length, blobs: blobs.length, bytes: forgotten.bytes };
    await ledger.append({ kind: 'collected', ...counts, forgotten: found.name }, now());
    return forgotten;
  });
}

/** Whether a newer release of its product and channel was imported after it. The ledger knows also those that cannot be read. */
function isOutdated(prefix: string, entries: readonly LedgerEntry[]): boolean {
  const own = entries.findLast(
    ({ event }) => event.kind === 'accepted' && event.bundle.startsWith(prefix),
  )?.event;
  if (own?.kind !== 'accepted') return false;
  return stateOf(entries).accepted.some(
    ({ product, channel, seq }) =>
      product === own.product && channel === own.channel && seq > own.seq,
  );
}

/** A release by its name. */
interface Found {
  readonly name: string;
  /** The first digits of its id, as its folder is named. */
  readonly prefix: string;
  readonly release?: Release;
  readonly refused?: RefusedRelease;
}

function findStored(text: string, { releases, refused }: ReleaseList): Found {
  const isId = /^[0-9a-f]{12,128}$/.test(text);
  const readable = releases
    .filter(({ id, bundle: { name, version } }) => {
      return [name, `${name}@${version}`].includes(text) || (isId && id.startsWith(text));
    })
    .map((release): Found => {
      const { name, version } = release.bundle;
      return { name: `${name} ${version}`, prefix: release.id.slice(0, 32), release };
    });
  const unreadable = refused
    .map((each): Found => {
      return { name: each.name, prefix: each.folder.slice(-32), refused: each };
    })
    .filter(({ name, prefix }) => {
      return text === name.replace(' ', '@') || (isId && prefix.startsWith(text.slice(0, 32)));
    });
  const found = [...readable, ...unreadable];
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const known =
    found.length > 0 ? found.map(wordsFor) : [...releases.map(stored), ...refused.map(byFolder)];
  throw new StowageError(
    'release-unknown',
    found.length > 0
      ? `${text} names ${found.length} stored releases`
      : `no release ${text} is stored at this site`,
    {
      expected: known.join(', ') || 'a release, but none is stored',
      found: text,
      hint: 'run stowage gc --dry-run to see what is stored and what keeps it, and give NAME@VERSION',
    },
  );
}

function stored({ bundle }: Release): string {
  return `${bundle.name}@${bundle.version}`;
}

function byFolder({ folder }: RefusedRelease): string {
  return folder.slice(-32);
}

function wordsFor({ release, refused, name }: Found): string {
  if (release !== undefined) return stored(release);
  return refused === undefined ? name : byFolder(refused);
}

function inUse({ name }: Found, { number }: Generation): StowageError {
  return new StowageError('release-in-use', `release ${name} is installed`, {
    expected: 'a release that the current generation does not contain',
    found: `generation ${number}, the current one, contains it`,
    hint: 'remove it with stowage uninstall first, or install another version',
  });
}
