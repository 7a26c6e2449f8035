import type { DeployedRelease } from '../format/plan.ts';
import type { DeployedService, Drift, ServiceState } from '../target/target.ts';
import type { KeyPlaces } from './api-key.ts';

export interface ServiceStatus {
  readonly release: string;
  readonly service: DeployedService;
  readonly state: Omit<ServiceState, 'drift'>;
  /** Each difference between what the target has and what was applied. */
  readonly drift: readonly Drift[];
  /** When a person stopped it; absent for other services. */
  readonly stoppedAt?: string;
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

/** What a service is doing now, and whether it answers. Changes nothing. @param known its state, if it was just read */
export async function serviceStatus(
  release: DeployedRelease,
  service: DeployedService,
  {
    known,
    ...places
  }: KeyPlaces & {
    readonly known?: ServiceState | undefined;
  },
): Promise<ServiceStatus> {
  const { target, signal } = places;
  const of = { release, service: service.name };
  const { drift, ...state } = known ?? (await target.state(of, signal));
  const { health } = service;
  const status = { release: release.name, service, state, drift };
  if (state.state !== 'running' || health === undefined) return status;
  const { openEndpoint } = await import('./gate/gate-service.ts');
  const { readinessCheck, replicasReady } = await import('./gate/readiness.ts');
  const endpoint = await openEndpoint(of, health, places);
  try {
    // Whoever asks is told what is found now: only a gate waits for the way to a service.
    const check = readinessCheck({ of, health, endpoint }, { target, signal });
    const answered = await check.run(READINESS_SECONDS);
    const answer = answered === true ? replicasReady(state) : answered;
    const ready = answer === true;
    const readiness = { ready, check: check.about, found: ready ? 'ready' : answer.found };
    return { ...status, readiness };
  } finally {
    await endpoint?.close();
  }
}
