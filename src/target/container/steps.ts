import type { DeployedRelease, Generation } from '../../format/plan.ts';
import { type Change, changesBetween, isStopped, repairedReleases } from '../change.ts';
import type { ServiceStep, TargetStep, TargetSteps } from '../target.ts';
import { containersOf, imagesOf } from './workload.ts';

/**
 * Networks and images are prepared while the old containers run, which stop only then. Images and networks that only the
 * old generation uses are removed only when its release is uninstalled.
 */
export function containerSteps(change: Change): TargetSteps {
  const { arriving, leaving } = changesBetween(change.from, change.to);
  return {
    open: [],
    prepare: [...arriving, ...repairedReleases(change)].flatMap((each) => prepare(each, change)),
    stop: leaving.flatMap((each) => stop(each, change)),
    start: [...arriving.flatMap((each) => start(each, change)), ...repair(change)],
    expose: [],
    retire: [],
    clear: leaving.flatMap((each) => clear(each, change.to)),
    close: [],
  };
}

function prepare(release: DeployedRelease, { intent, from }: Change): TargetStep[] {
  // A failed rollback must not remove what a kept generation uses.
  const isRollback = intent === 'rollback';
  const about = { side: 'to', release: release.name } as const;
  return [
    ...containersOf(release).networks.map(({ name }) => ({
      ...{ ...about, action: 'create-network', subject: name },
      ...(isRollback || hasNetwork(from, name) ? {} : { undo: 'remove-network' }),
      reason: 'services of the release reach each other and publish ports through it',
    })),
    ...imagesOf([release]).map(({ tag }) => ({
      ...{ ...about, action: 'load-image', subject: tag },
      ...(isRollback || hasImage(from, tag) ? {} : { undo: 'unload-image' }),
      reason: 'the engine needs the image before it starts a container',
    })),
  ];
}

function stop(release: DeployedRelease, change: Change): ServiceStep[] {
  return containersOf(release)
    .services.toReversed()
    .map(({ name }) => ({
      ...{ action: 'stop-service', side: 'from', release: release.name, subject: name },
      service: name,
      ...(isStopped(change, { release: release.name, service: name })
        ? {}
        : { undo: 'start-service' }),
      reason: 'its release is replaced or removed',
    }));
}

function start(release: DeployedRelease, change: Change): ServiceStep[] {
  return containersOf(release)
    .services.filter(({ name }) => !isStopped(change, { release: release.name, service: name }))
    .map(({ name }) => ({
      ...{ action: 'start-service', side: 'to', release: release.name, subject: name },
      ...{ service: name, undo: 'stop-service' },
      reason: 'the new release needs it',
    }));
}

/** A service that did not run before does not run after an undo either. */
function repair({ repairs = [] }: Change): ServiceStep[] {
  return repairs.map(({ release, service, running, reason }) => ({
    ...{ action: 'start-service', side: 'to', release, subject: service, service },
    ...(running ? {} : { undo: 'stop-service' }),
    reason,
  }));
}

function clear(release: DeployedRelease, to: Generation): TargetStep[] {
  const about = { side: 'from', release: release.name } as const;
  return [
    ...containersOf(release)
      .networks.filter(({ name }) => !hasNetwork(to, name))
      .map(({ name }) => ({
        ...{ ...about, action: 'remove-network', subject: name, undo: 'create-network' },
        reason: 'no service uses it anymore',
      })),
    ...imagesOf([release])
      .filter(({ tag }) => !hasImage(to, tag))
      .map(({ tag }) => ({
        ...{ ...about, action: 'unload-image', subject: tag, undo: 'load-image' },
        reason: 'no release uses it anymore',
      })),
  ];
}

function hasNetwork({ releases }: Generation, name: string): boolean {
  return releases.some((each) => containersOf(each).networks.some((one) => one.name === name));
}

function hasImage({ releases }: Generation, tag: string): boolean {
  return imagesOf(releases).some((each) => each.tag === tag);
}
