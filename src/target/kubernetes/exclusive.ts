import type { KubernetesService } from '../../format/kubernetes.ts';
import type { Site } from '../../format/site.ts';
import { type Change, changesBetween, type ServiceName } from '../change.ts';
import type { Cluster } from './api/cluster.ts';
import { isForbidden } from './api/failure.ts';
import { candidates, hasRoom, nodesOf, requestOf } from './capacity.ts';
import { clusterWorkload } from './workload.ts';

/** A service that runs, and what replaces it. */
interface Replacement {
  readonly name: ServiceName;
  readonly successor: KubernetesService;
}

/**
 * The services whose successors do not fit beside them: no node that their pods may run on has the resources free. An account
 * that may not read nodes and pods cannot know; then services with GPUs stop first, because GPUs are what is scarce.
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
    const exclusive: ServiceName[] = [];
    for (const { name, successor } of replaced) {
      const { deployment } = successor;
      const possible = candidates(deployment, nodes);
      if ((await hasRoom(cluster, requestOf(deployment), possible, signal)) !== true)
        exclusive.push(name);
    }
    return exclusive;
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

function hasGpus({ deployment }: KubernetesService): boolean {
  return Object.keys(requestOf(deployment)).some((each) => each.includes('/'));
}
