import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_RECEIPT_NOTICES } from '../../core/limits.ts';
import type { TakenNotice } from '../../format/ledger.ts';
import type { Generation } from '../../format/plan.ts';
import type { Receipt, ServiceHealth } from '../../format/receipt.ts';
import { hostKernel, hostPlatform } from '../../target/host/platform.ts';
import type { Target } from '../../target/target.ts';
import { generationNumbers } from '../generations.ts';
import { readLedger } from '../ledger/site-ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { type ServiceStatus, serviceStatus } from '../service-status.ts';
import type { SiteFolder } from '../site-folder.ts';
import { findService, stoppedServices } from '../stopped.ts';
import { holdingsOf } from './holdings.ts';

export type SiteFacts = Pick<
  Receipt,
  'generations' | 'held' | 'holds' | 'notices' | 'health' | 'host' | 'cluster'
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
  const engine = await orUnknown(target.probe(signal));
  const cluster = await orUnknown(target.record?.(running, signal) ?? Promise.resolve(undefined));
  return {
    ...(cluster === undefined ? {} : { cluster }),
    generations,
    held: { blobs: sizes.size, bytes },
    ...(holds === undefined ? {} : { holds }),
    ...(notices.length === 0 ? {} : { notices }),
    health,
    host: {
      platform: hostPlatform(),
      kernel: hostKernel(),
      engine: engine === undefined ? 'unknown' : `${engine.engine} ${engine.version}`,
      labels,
    },
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
