import { StowageError } from '../../../core/error.ts';
import type { KubernetesService } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, isStopped } from '../../change.ts';
import { type ClusterNode, candidates, hasRoom, nodesOf, requestOf } from '../capacity.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/**
 * Each service that starts has a node that is large enough, allowed, and has room; one that starts after its predecessor stopped
 * needs no room beside it.
 */
export async function capacity(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { change } = input;
  const running = new Set(
    change.from.releases.flatMap((each) =>
      (clusterWorkload(each)?.services ?? []).map(({ deployment }) => deployment.metadata.name),
    ),
  );
  const starting = arrivals(change).flatMap(({ release }) =>
    (clusterWorkload(release)?.services ?? [])
      .filter(({ name }) => !isStopped(change, { release: release.name, service: name }))
      .filter(({ deployment }) => !running.has(deployment.metadata.name))
      .map((service) => ({ release: release.name, service })),
  );
  if (starting.length === 0) return [];
  const nodes = await readableNodes(input);
  const constraints: Constraint[] = [];
  for (const { release, service } of starting) {
    const needs = `a node with room for service ${service.name} of release ${release}`;
    const found =
      nodes === undefined
        ? { satisfied: true, found: 'the account may not read nodes' }
        : await roomFor(service, release, nodes, input);
    constraints.push({ rule: 'capacity', needs, ...found });
  }
  return constraints;
}

async function roomFor(
  service: KubernetesService,
  release: string,
  nodes: readonly ClusterNode[],
  { change, cluster, signal }: ClusterConstraintInput,
): Promise<{ satisfied: boolean; found: string }> {
  const { deployment, name } = service;
  const possible = candidates(deployment, nodes);
  const request = requestOf(deployment);
  const wanted = Object.entries(request)
    .filter(([resource]) => resource !== 'pods')
    .map(([resource, amount]) => `${resource} ${amount}`)
    .join(', ');
  if (possible.length === 0)
    return {
      satisfied: false,
      found: `none of ${nodes.length} nodes that are ready and allowed by nodeSelector and tolerations has ${wanted || 'room'}`,
    };
  const alone = change.exclusive?.some((each) => each.release === release && each.service === name);
  if (alone === true) return { satisfied: true, found: 'room once its predecessor stopped' };
  if (await readable(() => hasRoom(cluster, request, possible, signal)))
    return { satisfied: true, found: `${possible.length} of ${nodes.length} nodes may run it` };
  return {
    satisfied: false,
    found: `${possible.length} of ${nodes.length} nodes are large enough, but none has ${wanted || 'room'} free`,
  };
}

async function readableNodes({
  cluster,
  signal,
}: ClusterConstraintInput): Promise<ClusterNode[] | undefined> {
  try {
    return await nodesOf(cluster, signal);
  } catch (error) {
    if (error instanceof StowageError && error.code === 'engine-failed') return undefined;
    throw error;
  }
}

/** An account that may not read pods of other namespaces cannot know what is free. */
async function readable(work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StowageError && error.code === 'engine-failed') return true;
    throw error;
  }
}
