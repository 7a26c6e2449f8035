import { type Fields, fieldsOf, listOf, textOf } from '../../core/fields.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import type { Cluster, Found } from './api/cluster.ts';
import { metadataOf } from './pods.ts';
import { quantity } from './quantity.ts';

/** Amounts by resource name, such as `cpu`, `memory` and `nvidia.com/gpu`. */
export type Resources = Readonly<Record<string, number>>;

/** A node, as far as a scheduler would look at it. */
export interface ClusterNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, unknown>>;
  readonly taints: readonly Fields[];
  readonly ready: boolean;
  readonly allocatable: Resources;
}

/** The nodes whose pods are counted, at most, before what is free counts as unknown: each costs a request. */
const MAX_COUNTED = 50;

/** Every node of a cluster, in pages. */
export async function nodesOf(cluster: Cluster, signal: AbortSignal): Promise<ClusterNode[]> {
  const nodes: ClusterNode[] = [];
  for await (const each of cluster.list({ kind: 'Node' }, signal)) nodes.push(nodeFrom(each));
  return nodes;
}

/** What a pod of a Deployment requests. */
export function requestOf(deployment: KubernetesObject): Resources {
  return podRequest(podSpecOf(deployment));
}

/** The nodes that a pod of a Deployment may run on, and that are large enough when they are empty. */
export function candidates(
  deployment: KubernetesObject,
  nodes: readonly ClusterNode[],
): ClusterNode[] {
  const spec = podSpecOf(deployment);
  const selector = Object.entries(fieldsOf(spec['nodeSelector']));
  const tolerations = listOf(spec['tolerations']);
  const request = podRequest(spec);
  return nodes.filter(
    ({ ready, labels, taints, allocatable }) =>
      ready &&
      selector.every(([key, value]) => labels[key] === value) &&
      taints.every((taint) => isTolerated(taint, tolerations)) &&
      fits(request, allocatable),
  );
}

/**
 * Whether one of the nodes has these resources free; reads the pods of a node at a time.
 * @returns undefined if none of those that were read has, and there are others
 */
export async function hasRoom(
  cluster: Cluster,
  request: Resources,
  nodes: readonly ClusterNode[],
  signal: AbortSignal,
): Promise<boolean | undefined> {
  for (const { name, allocatable } of nodes.slice(0, MAX_COUNTED)) {
    const used: Record<string, number> = {};
    const fields = `spec.nodeName=${name},status.phase!=Succeeded,status.phase!=Failed`;
    for await (const pod of cluster.list({ kind: 'Pod', fields }, signal))
      for (const [resource, amount] of Object.entries(podRequest(fieldsOf(pod['spec']))))
        used[resource] = (used[resource] ?? 0) + amount;
    const free = Object.fromEntries(
      Object.entries(allocatable).map(([resource, amount]) => [
        resource,
        amount - (used[resource] ?? 0),
      ]),
    );
    if (fits(request, free)) return true;
  }
  return nodes.length > MAX_COUNTED ? undefined : false;
}

export function fits(request: Resources, free: Resources): boolean {
  return Object.entries(request).every(([resource, amount]) => amount <= (free[resource] ?? 0));
}

/** The pod of a Deployment. */
export function podSpecOf({ spec }: KubernetesObject): Fields {
  return fieldsOf(fieldsOf(fieldsOf(spec)['template'])['spec']);
}

function podRequest(spec: Fields): Resources {
  const total: Record<string, number> = { pods: 1 };
  for (const { resources } of listOf(spec['containers']))
    for (const [resource, amount] of Object.entries(fieldsOf(fieldsOf(resources)['requests'])))
      total[resource] = (total[resource] ?? 0) + quantity(amount);
  return total;
}

function nodeFrom(object: Found): ClusterNode {
  const metadata = metadataOf(object);
  const spec = fieldsOf(object['spec']);
  const status = fieldsOf(object['status']);
  const ready = listOf(status['conditions']).find(({ type }) => type === 'Ready');
  return {
    name: textOf(metadata['name']) ?? '',
    labels: fieldsOf(metadata['labels']),
    taints: listOf(spec['taints']),
    ready: ready?.['status'] === 'True' && spec['unschedulable'] !== true,
    allocatable: Object.fromEntries(
      Object.entries(fieldsOf(status['allocatable'])).map(([resource, amount]) => [
        resource,
        quantity(amount),
      ]),
    ),
  };
}

function isTolerated(taint: Fields, tolerations: readonly Fields[]): boolean {
  if (taint['effect'] === 'PreferNoSchedule') return true;
  return tolerations.some(
    ({ key, operator = 'Equal', value = '', effect }) =>
      (key === undefined || key === taint['key']) &&
      (effect === undefined || effect === taint['effect']) &&
      (operator === 'Exists' || value === (taint['value'] ?? '')),
  );
}
