import type { KubernetesService } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, isStopped } from '../../change.ts';
import { isForbidden } from '../api/failure.ts';
import {
  type ClusterNode,
  candidates,
  hasRoom,
  nodesOf,
  type Resources,
  requestOf,
} from '../capacity.ts';
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
  const room = await roomAmong(possible, request, { cluster, signal });
  if (room === undefined)
    return {
      satisfied: true,
      found: 'not known: the account may not read all pods, or there are too many nodes',
    };
  if (room)
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
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** Undefined for an account that may not know what is free. */
async function roomAmong(
  nodes: readonly ClusterNode[],
  request: Resources,
  { cluster, signal }: Pick<ClusterConstraintInput, 'cluster' | 'signal'>,
): Promise<boolean | undefined> {
  try {
    return await hasRoom(cluster, request, nodes, signal);
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}
