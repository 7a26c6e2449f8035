import { formatBytes } from '../../core/text.ts';
import type { KubernetesFill, KubernetesService } from '../../format/kubernetes.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import {
  type Change,
  changesBetween,
  isStopped,
  repairedReleases,
  type ServiceName,
} from '../change.ts';
import type { ServiceStep, TargetStep, TargetSteps } from '../target.ts';
import { clearSets, retireSets, startSets, testSets } from './objects/set-steps.ts';
import { everyObject, isKept, setOf, setsOf } from './objects/sets.ts';
import { clusterWorkload } from './workload.ts';

/**
 * The new services start beside the old ones, or after the old ones stopped where both do not fit (`change.exclusive`).
 * Clients reach the new ones by one write, after the gates. The old ones are removed after the new generation is current,
 * by steps that are never undone: a kill among them is finished, not rolled back.
 */
export function kubernetesSteps(change: Change): TargetSteps {
  const { arriving, leaving } = changesBetween(change.from, change.to);
  const isReplaced = ({ name }: DeployedRelease): boolean =>
    change.to.releases.some((each) => each.name === name);
  const uninstalled = leaving.filter((each) => !isReplaced(each));
  const replaced = leaving.filter(isReplaced);
  const starting = [...arriving, ...repairedReleases(change)];
  return {
    open: starting.flatMap((each) => open(each, change)),
    prepare: starting.flatMap((each) => prepare(each, change)),
    stop: [
      ...replaced.flatMap((each) => stop(each, change)),
      ...uninstalled.flatMap((each) => takeAway(each, change)),
    ],
    start: [
      ...arriving.flatMap((each) => [...startSets(each, change), ...start(each, change)]),
      ...repair(change),
    ],
    expose: [
      ...arriving.flatMap((each) => testSets(each)),
      ...arriving.flatMap((each) => expose(each, change)),
      ...(change.repairs ?? []).flatMap((each) => exposeRepaired(each, change)),
      ...leaving.flatMap((each) => withdraw(each, change)),
    ],
    retire: replaced.flatMap((each) => [...retireSets(each, change), ...retire(each, change)]),
    clear: uninstalled.flatMap((each) => [...clearSets(each), ...clear(each)]),
    close: uninstalled.flatMap((each) => close(each)),
  };
}

/** Namespace and ApplySet parent: everything else is in them. */
function open(release: DeployedRelease, change: Change): TargetStep[] {
  const workload = clusterWorkload(release);
  if (workload === undefined) return [];
  const { namespace } = workload;
  return [
    {
      ...{ action: 'open-namespace', side: 'to', release: release.name, subject: namespace },
      ...(previousOf(release, change) === undefined ? { undo: 'close-namespace' } : {}),
      reason: 'it holds every object of the release',
    },
  ];
}

function prepare(release: DeployedRelease, change: Change): TargetStep[] {
  if (clusterWorkload(release) === undefined) return [];
  return [
    {
      ...{ action: 'apply-objects', side: 'to', release: release.name, subject: release.name },
      ...(change.from.releases.includes(release) ? {} : { undo: 'remove-objects' }),
      reason: 'policies, texts, volumes and addresses that the services need',
    },
    ...fill(release, change),
  ];
}

/** A repair fills the volume too: what is there already is not copied again. */
function fill(release: DeployedRelease, change: Change): TargetStep[] {
  const filled = clusterWorkload(release)?.fill;
  if (filled === undefined) return [];
  return [
    {
      ...{ action: 'fill-volume', side: 'to', release: release.name, subject: filled.claim },
      ...(change.from.releases.includes(release) ? {} : { undo: 'abandon-fill' }),
      reason: `its pods read ${formatBytes(filled.bytes)} from this claim, in folder ${filled.folder}`,
    },
  ];
}

/** Services that cannot run beside their successors. */
function stop(release: DeployedRelease, change: Change): ServiceStep[] {
  return servicesOf(release)
    .toReversed()
    .filter(({ name }) => isExclusive(change, { release: release.name, service: name }))
    .filter(({ name }) => !isStopped(change, { release: release.name, service: name }))
    .map(({ name }) => ({
      ...{ action: 'stop-deployment', side: 'from', release: release.name, subject: name },
      ...{ service: name, undo: 'start-deployment' },
      reason: 'the cluster has no room for both: it stops before its successor starts',
    }));
}

function start(release: DeployedRelease, change: Change): ServiceStep[] {
  const previous = previousOf(release, change);
  const running = new Set(
    previous === undefined
      ? []
      : servicesOf(previous).map(({ deployment }) => deployment.metadata.name),
  );
  return servicesOf(release)
    .filter(({ name }) => !isStopped(change, { release: release.name, service: name }))
    .map(({ name, deployment }) => ({
      ...{ action: 'start-deployment', side: 'to', release: release.name, subject: name },
      service: name,
      // A service that did not change goes on running.
      ...(running.has(deployment.metadata.name) ? {} : { undo: 'stop-deployment' }),
      reason: 'the new release needs it',
    }));
}

/** A service that did not run before does not run after an undo either. */
function repair({ repairs = [], to }: Change): ServiceStep[] {
  return repairs.map(({ release, service, running, reason }) => {
    const about = { side: 'to', release, subject: service, service, reason } as const;
    const found = to.releases.find((each) => each.name === release);
    // Whatever the set has was applied before: there is nothing to return to.
    if (found !== undefined && setOf(clusterWorkload(found), service) !== undefined)
      return { ...about, action: 'repair-set' };
    return {
      ...{ ...about, action: 'start-deployment' },
      ...(running ? {} : { undo: 'stop-deployment' }),
    };
  });
}

function expose(release: DeployedRelease, change: Change): TargetStep[] {
  const previous = previousOf(release, change);
  return servicesOf(release)
    .filter(({ name, service }) => service !== undefined && !stopped(change, release, name))
    .map(({ name }) => {
      const had = previous !== undefined && hasClients(previous, name);
      return {
        ...{ action: 'point-service', side: 'to', release: release.name, subject: name },
        ...(had ? { undo: 'return-service', undoSide: 'from' } : { undo: 'remove-service' }),
        reason: 'clients reach the new pods, which passed their gates',
      };
    });
}

function exposeRepaired({ release, service }: ServiceName, { to }: Change): TargetStep[] {
  const found = to.releases.find((each) => each.name === release);
  if (found === undefined || !hasClients(found, service)) return [];
  return [
    {
      ...{ action: 'point-service', side: 'to', release, subject: service },
      reason: 'clients reach its pods',
    },
  ];
}

/** Services that no release has anymore. */
function withdraw(release: DeployedRelease, change: Change): TargetStep[] {
  const successor = successorOf(release, change);
  return servicesOf(release)
    .filter(({ name, service }) => service !== undefined && !hasClients(successor, name))
    .map(({ name }) => ({
      ...{ action: 'remove-service', side: 'from', release: release.name, subject: name },
      undo: 'return-service',
      reason: 'no release has this service anymore',
    }));
}

/** What an uninstall stops, dependents first. */
function takeAway(release: DeployedRelease, change: Change): ServiceStep[] {
  return servicesOf(release)
    .toReversed()
    .map(({ name }) => ({
      ...{ action: 'stop-deployment', side: 'from', release: release.name, subject: name },
      service: name,
      ...(stopped(change, release, name) ? {} : { undo: 'start-deployment' }),
      reason: 'its release is removed',
    }));
}

/** Without an undo: the new generation is current by then. */
function retire(release: DeployedRelease, change: Change): TargetStep[] {
  const workload = clusterWorkload(release);
  if (workload === undefined) return [];
  const successor = successorOf(release, change);
  const staying = new Set(
    successor === undefined
      ? []
      : servicesOf(successor).map(({ deployment }) => deployment.metadata.name),
  );
  const about = { side: 'from', release: release.name } as const;
  return [
    ...workload.services
      .filter(({ deployment }) => !staying.has(deployment.metadata.name))
      .map(({ name }) => ({
        ...{ ...about, action: 'remove-deployment', subject: name },
        reason: 'its successor passed its gates and has its clients',
      })),
    ...(workload.fill?.clear === undefined || fillOf(successor)?.claim === workload.fill.claim
      ? []
      : [
          {
            ...{ ...about, action: 'clear-volume', subject: workload.fill.claim },
            reason: 'the release reads another claim now',
          },
        ]),
    {
      ...{ ...about, action: 'remove-objects', subject: release.name },
      reason: 'only the old generation used them',
    },
    ...(successor === undefined
      ? [
          {
            ...{ ...about, action: 'close-namespace', subject: workload.namespace },
            reason: 'the release is in another namespace now',
          },
        ]
      : []),
  ];
}

function clear(release: DeployedRelease): TargetStep[] {
  const workload = clusterWorkload(release);
  if (workload === undefined) return [];
  return [
    ...(workload.fill?.clear === undefined
      ? []
      : [
          {
            ...({ action: 'clear-volume', side: 'from', release: release.name } as const),
            ...{ subject: workload.fill.claim, undo: 'fill-volume' },
            reason: 'no service reads its content anymore',
          },
        ]),
    {
      ...{ action: 'remove-objects', side: 'from', release: release.name, subject: release.name },
      undo: 'apply-objects',
      reason: 'no service uses them anymore',
    },
  ];
}

/** Without an undo: a namespace that is being deleted cannot be kept. */
function close(release: DeployedRelease): TargetStep[] {
  const workload = clusterWorkload(release);
  if (workload === undefined) return [];
  const { namespace, ownsNamespace } = workload;
  const kept = setsOf(workload)
    .flatMap(everyObject)
    .some((each) => isKept(each) && (each.metadata.namespace ?? namespace) === namespace);
  const reason = !ownsNamespace
    ? 'nothing of the release is left in it'
    : kept
      ? 'the namespace stays, because its chart leaves objects behind in it (helm.sh/resource-policy: keep)'
      : 'the namespace is deleted with everything in it, also what others made there';
  const about = { side: 'from', release: release.name, subject: namespace } as const;
  return [{ ...about, action: 'close-namespace', reason }];
}

function fillOf(release: DeployedRelease | undefined): KubernetesFill | undefined {
  return release === undefined ? undefined : clusterWorkload(release)?.fill;
}

function servicesOf(release: DeployedRelease): readonly KubernetesService[] {
  return clusterWorkload(release)?.services ?? [];
}

function hasClients(release: DeployedRelease | undefined, name: string): boolean {
  if (release === undefined) return false;
  return servicesOf(release).some((each) => each.name === name && each.service !== undefined);
}

function isExclusive({ exclusive = [] }: Change, { release, service }: ServiceName): boolean {
  return exclusive.some((each) => each.release === release && each.service === service);
}

function stopped(change: Change, { name }: DeployedRelease, service: string): boolean {
  return isStopped(change, { release: name, service });
}

/** The release of the same name in the same namespace of the other generation. */
function previousOf(release: DeployedRelease, { from }: Change): DeployedRelease | undefined {
  return from.releases.find((each) => continues(each, release));
}

function successorOf(release: DeployedRelease, { to }: Change): DeployedRelease | undefined {
  return to.releases.find((each) => continues(each, release));
}

function continues(a: DeployedRelease, b: DeployedRelease): boolean {
  const namespace = clusterWorkload(b)?.namespace;
  return (
    a.name === b.name && namespace !== undefined && clusterWorkload(a)?.namespace === namespace
  );
}
