import type { DeployedRelease } from '../../format/generation.ts';
import type { Outage } from '../../format/plan.ts';
import type { DeployedService, ServiceStep, Target } from '../../target/target.ts';

/** How long a target may take to stop one service, in seconds. */
const STOP_SECONDS = 30;

/** The steps that stop services, and the releases that are replaced. */
interface Exchange {
  readonly stop: readonly ServiceStep[];
  readonly leaving: readonly DeployedRelease[];
  readonly arriving: readonly DeployedRelease[];
}

/**
 * Which services are unavailable during a change, and the longest time: the old services stop, the new ones load and
 * answer prompts; on failure they stop, and the old ones load again. Assumes that no server loads longer than its
 * `startupSeconds`.
 */
export function outageOf(
  { stop, leaving, arriving }: Exchange,
  target: Pick<Target, 'services'>,
): Outage {
  const stopped = leaving.flatMap((release) =>
    target
      .services(release)
      .filter(({ name }) =>
        stop.some((each) => each.release === release.name && each.service === name),
      )
      .map((service) => ({ release, service })),
  );
  const services = stopped.map(({ release, service }) => `${release.name} ${service.name}`);
  if (services.length === 0) return { services, seconds: 0 };
  const old = stopped.map(({ service }) => service);
  const fresh = arriving.flatMap((release) => target.services(release));
  const prompts = arriving.flatMap((release) => release.acceptance);
  const seconds =
    sum([...old, ...fresh], () => STOP_SECONDS) +
    sum([...old, ...fresh], startup) +
    sum(fresh, (each) => each.health?.soakSeconds ?? 0) +
    sum(prompts, (each) => each.withinSeconds);
  return { services, seconds };
}

function startup(service: DeployedService): number {
  return service.health?.startupSeconds ?? STOP_SECONDS;
}

function sum<T>(list: readonly T[], value: (each: T) => number): number {
  return list.reduce((total, each) => total + value(each), 0);
}
