import type { KubernetesService } from '../../format/kubernetes.ts';
import type { Site } from '../../format/site.ts';
import { type Change, changesBetween, isStopped, type ServiceName } from '../change.ts';
import type { Cluster } from './api/cluster.ts';
import { isForbidden } from './api/failure.ts';
import { candidates, demandOf, nodesOf, requestOf } from './capacity.ts';
import { byScarcity, Packing } from './packing.ts';
import { clusterWorkload } from './workload.ts';

/** A service that runs, and what replaces it. */
interface Replacement {
  readonly name: ServiceName;
  readonly successor: KubernetesService;
}

/**
 * The services whose successors do not fit beside all that runs and starts: no node that their pods may run on has the resources
 * free. An account that may not read nodes and pods cannot know; then services with GPUs stop first, because GPUs are scarce.
 */
export async function exclusiveServices(
  cluster: Cluster,
  change: Change,
  { settings, signal }: { readonly settings: Site; readonly signal: AbortSignal },
): Promise<ServiceName[]> {
  const policy = settings.kubernetes?.switch ?? 'auto';
  const replaced = replacements(change);
  if (policy === 'beside' || replaced.length === 0) return [];
  if (policy === 'stop-first') return replaced.map(({ name }) => name);
  try {
    const nodes = await nodesOf(cluster, signal);
    const packing = new Packing(cluster, () => false, signal);
    const exclusive = new Set<ServiceName>();
    // What has no predecessor has no other room, so it is placed first.
    for (const { deployment } of newServices(change))
      await packing.place(demandOf(deployment), candidates(deployment, nodes));
    const order = replaced.toSorted((a, b) =>
      byScarcity(demandOf(a.successor.deployment), demandOf(b.successor.deployment)),
    );
    for (const { name, successor } of order) {
      const { deployment } = successor;
      const placed = await packing.place(demandOf(deployment), candidates(deployment, nodes));
      if (placed !== 'placed') exclusive.add(name);
    }
    return replaced.map(({ name }) => name).filter((name) => exclusive.has(name));
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return replaced.filter(({ successor }) => hasGpus(successor)).map(({ name }) => name);
  }
}

function replacements(change: Change): Replacement[] {
  const { arriving, leaving } = changesBetween(change.from, change.to);
  return leaving.flatMap((release) => {
    const next = arriving.find(({ name }) => name === release.name);
    const successors = (next && clusterWorkload(next)?.services) ?? [];
    return (clusterWorkload(release)?.services ?? []).flatMap(({ name, deployment }) => {
      const successor = successors.find((each) => each.name === name);
      if (successor === undefined) return [];
      // A service that did not change goes on running.
      if (successor.deployment.metadata.name === deployment.metadata.name) return [];
      return [{ name: { release: release.name, service: name }, successor }];
    });
  });
}

/** Services that start and replace nothing. */
function newServices(change: Change): KubernetesService[] {
  const { arriving, leaving } = changesBetween(change.from, change.to);
  return arriving.flatMap((release) => {
    const previous = leaving.find(({ name }) => name === release.name);
    const before = (previous && clusterWorkload(previous)?.services) ?? [];
    return (clusterWorkload(release)?.services ?? []).filter(
      ({ name }) =>
        !before.some((each) => each.name === name) &&
        !isStopped(change, { release: release.name, service: name }),
    );
  });
}

function hasGpus({ deployment }: KubernetesService): boolean {
  return Object.keys(requestOf(deployment)).some((each) => each.includes('/'));
}
