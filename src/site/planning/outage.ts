import type { Outage } from '../../format/plan.ts';
import { type Change, changesBetween, isStopped, repairedReleases } from '../../target/change.ts';
import type { DeployedService, ServiceStep, Target } from '../../target/target.ts';

/** How long a target may take to stop one service, in seconds. */
const STOP_SECONDS = 30;

/** A change, and its steps that stop services. */
interface Exchange {
  readonly change: Change;
  readonly stop: readonly ServiceStep[];
}

/**
 * Which services are unavailable during a change, and the longest time: the old services stop, the new ones load and
 * answer prompts; on failure they stop, and the old ones load again. Assumes that no server loads longer than its
 * `startupSeconds`.
 */
export function outageOf({ change, stop }: Exchange, target: Pick<Target, 'services'>): Outage {
  const { arriving, leaving } = changesBetween(change.from, change.to);
  const stopped = leaving.flatMap((release) =>
    target
      .services(release)
      .filter(({ name }) =>
        stop.some((each) => each.release === release.name && each.service === name),
      )
      .filter(({ name }) => !isStopped(change, { release: release.name, service: name }))
      .map((service) => ({ release, service })),
  );
  const repaired = repairedReleases(change).flatMap((release) =>
    target
      .services(release)
      .filter(({ name }) =>
        change.repairs?.some(
          (each) => each.running && each.release === release.name && each.service === name,
        ),
      )
      .map((service) => ({ release, service })),
  );
  const services = [...stopped, ...repaired].map(
    ({ release, service }) => `${release.name} ${service.name}`,
  );
  if (services.length === 0) return { services, seconds: 0 };
  const old = stopped.map(({ service }) => service);
  const fresh = [
    ...arriving.flatMap((release) => target.services(release)),
    ...repaired.map(({ service }) => service),
  ];
  const prompts = [...arriving, ...new Set(repaired.map(({ release }) => release))].flatMap(
    (release) => release.acceptance,
  );
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
