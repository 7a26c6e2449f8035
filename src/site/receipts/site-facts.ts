import { join } from 'node:path';
import { optionalParts } from '../../content/optional.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_RECEIPT_BUNDLES, MAX_RECEIPT_NOTICES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { TakenNotice } from '../../format/ledger.ts';
import type { Generation } from '../../format/plan.ts';
import type { HeldBundle, Holdings, Receipt, ServiceHealth } from '../../format/receipt.ts';
import { statusOf } from '../../io/file.ts';
import { freeBytes } from '../../io/folder.ts';
import { hostKernel, hostPlatform } from '../../target/host/platform.ts';
import type { Target } from '../../target/target.ts';
import { evaluationRecords } from '../evaluation/evaluation-results.ts';
import { generationNumbers, loadGeneration } from '../generations.ts';
import { readLedger } from '../ledger/site-ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { listReleases, type Release, releaseFolder } from '../release/release.ts';
import { type ServiceStatus, serviceStatus } from '../service-status.ts';
import type { SiteFolder } from '../site-folder.ts';
import { findService, stoppedServices } from '../stopped.ts';
import { knownDamage } from '../store-damage.ts';

/** What is known of a site when its holdings are listed. */
export interface HoldingsInput {
  readonly running: Generation;
  /** The numbers of all kept generations. */
  readonly generations: readonly number[];
  /** The size of each blob in the store, in bytes. */
  readonly sizes: ReadonlyMap<Digest, number>;
  /** Until when `gc` keeps the listed bundles; absent for no promise. */
  readonly heldUntil?: string;
}

const RANK: Readonly<Record<HeldBundle['use'], number>> = { running: 0, kept: 1, imported: 2 };

/**
 * The bundles of which a site stores every blob, but for those of optional parts that it does without, and its installers. A
 * bundle is left out if one of its blobs is missing, or was damaged when the store was last verified.
 * @throws StowageError `state-damaged`, `io-failed`
 */
export async function holdingsOf(
  site: SiteFolder,
  { running, generations, sizes, heldUntil }: HoldingsInput,
): Promise<Holdings> {
  const { releases } = await listReleases(site);
  const damaged = new Set((await knownDamage(site))?.files.map(({ path }) => path));
  const isWhole = ({ bundle }: Release): boolean =>
    bundle.blobs.every(
      ({ digest, size }) => sizes.get(digest) === size && !damaged.has(site.store.path(digest)),
    );
  const kept = new Set<string>();
  for (const number of generations)
    for (const { bundle } of (await loadGeneration(site, number)).releases) kept.add(bundle);
  const runs = new Set(running.releases.map(({ bundle }) => bundle));
  const useOf = (id: string): HeldBundle['use'] => {
    if (runs.has(id)) return 'running';
    return kept.has(id) ? 'kept' : 'imported';
  };
  const whole = releases
    .filter(isWhole)
    .map((release) => {
      const { id, bundle } = release;
      const { name, version, seq } = bundle;
      const held = { name, version, seq, bundle: id, use: useOf(id) };
      return release.signed === undefined ? held : { ...held, parts: partsOf(bundle) };
    })
    .toSorted((a, b) => RANK[a.use] - RANK[b.use] || b.seq - a.seq);
  const unlisted = whole.length - MAX_RECEIPT_BUNDLES;
  return {
    bundles: whole.slice(0, MAX_RECEIPT_BUNDLES),
    ...(unlisted > 0 ? { unlisted } : {}),
    installers: await installersOf(site, releases),
    free: await freeBytes(site.root),
    ...(heldUntil === undefined ? {} : { heldUntil }),
  };
}

function partsOf(bundle: Bundle): string[] {
  return optionalParts(bundle)
    .map(({ name }) => name)
    .toSorted();
}

/** The installers that the releases of a site have in its folder, each once. */
async function installersOf(
  site: SiteFolder,
  releases: readonly Release[],
): Promise<Holdings['installers']> {
  const found = new Map<string, Holdings['installers'][number]>();
  for (const { id, bundle } of releases.toReversed()) {
    for (const { platform, path, size, sha512 } of bundle.installers ?? []) {
      if (found.has(sha512) || found.size >= MAX_RECEIPT_BUNDLES) continue;
      const status = await statusOf(join(releaseFolder(site, id), path));
      if (status?.isFile() === true && Number(status.size) === size)
        found.set(sha512, { platform, sha512 });
    }
  }
  return [...found.values()];
}

export type SiteFacts = Pick<
  Receipt,
  'generations' | 'held' | 'holds' | 'notices' | 'health' | 'host' | 'cluster' | 'evaluations'
>;

interface Place {
  readonly site: SiteFolder;
  readonly target: Target;
  readonly signal: AbortSignal;
  /** The variables of this process, for an API key that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Until when `gc` keeps what the receipt lists; absent for no promise. */
  readonly heldUntil?: string;
}

/** The state of a site in a receipt. */
export async function siteFacts(
  running: Generation,
  { site, target, signal, heldUntil, env = {} }: Place,
): Promise<SiteFacts> {
  const { labels } = await site.site();
  const health: ServiceHealth[] = [];
  const all = running.releases.flatMap((release) =>
    target.services(release).map((service) => ({ release, service })),
  );
  const of = all.map(({ release, service: { name } }) => ({ release, service: name }));
  const states = await orUnknown(target.states?.(of, signal) ?? Promise.resolve(undefined));
  const stopped = await stoppedServices(site, running);
  for (const [index, { release, service }] of all.entries()) {
    const found = await orUnknown(
      serviceStatus(release, service, { site, target, env, signal, known: states?.[index] }),
    );
    const noted = findService(stopped, { release: release.name, service: service.name });
    health.push({
      service: `${release.name} ${service.name}`,
      ...healthOf(found),
      ...(noted === undefined ? {} : { stoppedAt: noted.at }),
      ...(service.powers === undefined || service.powers.length === 0
        ? {}
        : { powers: service.powers }),
    });
  }
  const sizes = new Map<Digest, number>();
  let bytes = 0;
  for await (const { digest, size } of site.store.all()) {
    sizes.set(digest, size);
    bytes += size;
  }
  const generations = await generationNumbers(site);
  const promise = heldUntil === undefined ? {} : { heldUntil };
  const holds = await orUnknown(holdingsOf(site, { running, generations, sizes, ...promise }));
  const notices = (await orUnknown(noticesOf(site))) ?? [];
  const evaluations = await evaluationRecords(site, running);
  const engine = await orUnknown(target.probe(signal));
  const cluster = await orUnknown(target.record?.(running, signal) ?? Promise.resolve(undefined));
  return {
    ...(cluster === undefined ? {} : { cluster }),
    generations,
    held: { blobs: sizes.size, bytes },
    ...(holds === undefined ? {} : { holds }),
    ...(notices.length === 0 ? {} : { notices }),
    health,
    ...(evaluations.length === 0 ? {} : { evaluations }),
    host: {
      platform: hostPlatform(),
      kernel: hostKernel(),
      engine: engine === undefined ? 'unknown' : `${engine.engine} ${engine.version}`,
      labels,
    },
  };
}

/**
 * The state of a site as it is once its folder is deleted: it stores nothing, knows no notice, and the space of its store is
 * free.
 * @param running the current generation, without releases
 */
export async function factsOnceDeleted(running: Generation, place: Place): Promise<SiteFacts> {
  const { held, notices: _, ...rest } = await siteFacts(running, place);
  const free = (await freeBytes(place.site.root)) + held.bytes;
  return {
    ...rest,
    generations: [],
    held: { blobs: 0, bytes: 0 },
    holds: { bundles: [], installers: [], free },
  };
}

/** The newest notice of each issuer, the latest import first. */
async function noticesOf(site: SiteFolder): Promise<TakenNotice[]> {
  const { notices } = stateOf((await readLedger(site)).entries);
  return notices
    .toSorted((a, b) => (a.at > b.at ? -1 : 1))
    .slice(0, MAX_RECEIPT_NOTICES)
    .map(({ issuer, serial, notice }) => ({ issuer, serial, notice }));
}

function healthOf(found: ServiceStatus | undefined): Omit<ServiceHealth, 'service'> {
  if (found === undefined) return { state: 'unknown' };
  const { state, drift, readiness } = found;
  const since = state.state === 'running' ? state.startedAt : state.finishedAt;
  return {
    state: state.state,
    ...(since === undefined ? {} : { since }),
    ...(readiness === undefined ? {} : { ready: readiness.ready }),
    ...(drift.length === 0 ? {} : { drift: drift.map(({ field }) => field) }),
  };
}

/** A receipt is written even if the engine fails, or what the site stores cannot be read. */
async function orUnknown<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}
