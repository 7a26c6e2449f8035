import type { DeployedRelease, RenderedService } from '../../format/generation.ts';
import type { Outage } from '../../format/plan.ts';

/** How long an engine may take to stop one service, in seconds. */
const STOP_SECONDS = 30;

/**
 * What cannot be used while releases are exchanged, and for how long at most: the old services stop, the new ones
 * load and are asked; if they fail they stop, and the old ones load again. Holds as long as no server loads longer
 * than its `startupSeconds`.
 */
export function outageOf(
  leaving: readonly DeployedRelease[],
  arriving: readonly DeployedRelease[],
): Outage {
  const services = leaving.flatMap(({ name, services }) =>
    services.map((each) => `${name} ${each.name}`),
  );
  if (services.length === 0) return { services, seconds: 0 };
  const old = leaving.flatMap((release) => release.services);
  const fresh = arriving.flatMap((release) => release.services);
  const prompts = arriving.flatMap((release) => release.acceptance);
  const seconds =
    sum([...old, ...fresh], () => STOP_SECONDS) +
    sum([...old, ...fresh], startup) +
    sum(fresh, (each) => each.health?.soakSeconds ?? 0) +
    sum(prompts, (each) => each.withinSeconds);
  return { services, seconds };
}

function startup(service: RenderedService): number {
  return service.health?.startupSeconds ?? STOP_SECONDS;
}

function sum<T>(list: readonly T[], value: (each: T) => number): number {
  return list.reduce((total, each) => total + value(each), 0);
}
