import { type RecalledRelease, recalledReleases } from '../bundle/admission/recall.ts';
import type { DeployedRelease, Generation } from '../format/generation.ts';
import { exists } from '../io/file.ts';
import type { DeployedService, Drift, ServiceState, Target } from '../target/target.ts';
import { openEndpoint } from './gate/gate-service.ts';
import { readinessCheck } from './gate/readiness.ts';
import { currentGeneration, generationNumbers, loadGeneration } from './generations.ts';
import { readLedger } from './ledger/site-ledger.ts';
import { stateOf } from './ledger/site-state.ts';
import type { SiteFolder } from './site-folder.ts';

export interface ServiceStatus {
  readonly release: string;
  readonly service: DeployedService;
  readonly state: Omit<ServiceState, 'drift'>;
  /** Each difference between what the target has and what was applied. */
  readonly drift: readonly Drift[];
  /** The result of its readiness check; absent for a service that does not run or has no such check. */
  readonly readiness?: Readiness;
}

/** The result of one readiness check. */
export interface Readiness {
  readonly ready: boolean;
  /** A path, or a command in the container. */
  readonly check: string;
  /** Such as `no response` or `status 503`. */
  readonly found: string;
}

/** How long a running service may take to answer its readiness check. */
const READINESS_SECONDS = 5;

export interface SiteStatus {
  readonly site: string;
  readonly root: string;
  readonly generation: Generation;
  /** The kept generations, ascending. */
  readonly generations: readonly number[];
  readonly services: readonly ServiceStatus[];
  /** Running releases that were recalled. */
  readonly recalled: readonly RecalledRelease[];
  /** Whether the next command must finish or undo the plan of a killed one. */
  readonly interrupted: boolean;
}

/** What a service is doing now, and whether it answers. Changes nothing. */
export async function serviceStatus(
  release: DeployedRelease,
  service: DeployedService,
  { target, signal }: { readonly target: Target; readonly signal: AbortSignal },
): Promise<ServiceStatus> {
  const of = { release, service: service.name };
  const { drift, ...state } = await target.state(of, signal);
  const { health } = service;
  const status = { release: release.name, service, state, drift };
  if (state.state !== 'running' || health === undefined) return status;
  const endpoint = await openEndpoint(of, health, { target, signal });
  try {
    const check = readinessCheck({ of, health, endpoint }, { target, signal });
    const answer = await check.run(READINESS_SECONDS);
    const ready = answer === true;
    const readiness = { ready, check: check.about, found: ready ? 'ready' : answer.found };
    return { ...status, readiness };
  } finally {
    await endpoint?.close();
  }
}

/** The state of a site and of its services now. Changes nothing. */
export async function siteStatus(
  site: SiteFolder,
  target: Target,
  signal: AbortSignal,
): Promise<SiteStatus> {
  const generation = await currentGeneration(site);
  const services = await Promise.all(
    generation.releases.flatMap((release) =>
      target
        .services(release)
        .map((service) => serviceStatus(release, service, { target, signal })),
    ),
  );
  const numbers = await generationNumbers(site);
  const kept: Generation[] = [];
  for (const number of numbers) kept.push(await loadGeneration(site, number));
  const { recalls } = stateOf((await readLedger(site)).entries);
  return {
    site: (await site.site()).name,
    root: site.root,
    generation,
    generations: numbers,
    services,
    recalled: recalledReleases(generation, kept, recalls),
    interrupted: await exists(site.path('apply', 'plan.json')),
  };
}
