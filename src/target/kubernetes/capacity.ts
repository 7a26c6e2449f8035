import { type Fields, fieldsOf, listOf, textOf } from '../../core/json.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import type { Cluster, Found } from './api/cluster.ts';
import { metadataOf } from './pods.ts';
import { quantity } from './quantity.ts';
import { podCountOf, podSpecOf } from './workload-kinds.ts';

/** Amounts by resource name, such as `cpu`, `memory` and `nvidia.com/gpu`. */
export type Resources = Readonly<Record<string, number>>;

/** A node, as far as a scheduler would look at it. */
export interface ClusterNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, unknown>>;
  readonly taints: readonly Fields[];
  readonly ready: boolean;
  /** Whether somebody keeps new pods away from it (`kubectl cordon`). */
  readonly cordoned: boolean;
  readonly allocatable: Resources;
}

/** Every node of a cluster, in pages. */
export async function nodesOf(cluster: Cluster, signal: AbortSignal): Promise<ClusterNode[]> {
  const nodes: ClusterNode[] = [];
  for await (const each of cluster.list({ kind: 'Node' }, signal)) nodes.push(nodeFrom(each));
  return nodes;
}

/** What a pod of a service requests. */
export function requestOf(deployment: KubernetesObject): Resources {
  return podRequest(podSpecOf(deployment));
}

/** The nodes that a pod of a service may run on, and that are large enough when they are empty. */
export function candidates(
  deployment: KubernetesObject,
  nodes: readonly ClusterNode[],
): ClusterNode[] {
  const exclusion = exclusionBy(deployment);
  return nodes.filter((node) => exclusion(node) === undefined);
}

/** Why nodes cannot run a pod of a Deployment, most frequent first, each with the number of nodes. */
export function exclusions(
  deployment: KubernetesObject,
  nodes: readonly ClusterNode[],
): (readonly [reason: string, count: number])[] {
  const counts = new Map<string, number>();
  const exclusion = exclusionBy(deployment);
  for (const node of nodes) {
    const reason = exclusion(node);
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].toSorted(([, a], [, b]) => b - a);
}

/** Why a node cannot run a pod of a Deployment even if nothing else runs there; undefined if it can. */
function exclusionBy(deployment: KubernetesObject): (node: ClusterNode) => string | undefined {
  const spec = podSpecOf(deployment);
  const selector = Object.entries(fieldsOf(spec['nodeSelector']));
  const tolerations = listOf(spec['tolerations']);
  const request = podRequest(spec);
  return ({ ready, cordoned, labels, taints, allocatable }) => {
    if (!ready) return 'not ready';
    if (cordoned) return 'cordoned';
    const wanted = selector.find(([key, value]) => labels[key] !== value);
    if (wanted !== undefined) return `without label ${wanted[0]}=${String(wanted[1])}`;
    const taint = taints.find((each) => !isTolerated(each, tolerations));
    if (taint !== undefined) return `with taint ${taintText(taint)}, which is not tolerated`;
    const scarce = Object.keys(request).filter(
      (each) => !fits({ [each]: request[each] ?? 0 }, allocatable),
    );
    return scarce.length === 0 ? undefined : `with too little ${scarce.join(' and ')}`;
  };
}

/** As kubectl prints it. */
function taintText({ key, value, effect }: Fields): string {
  const text = textOf(value) ?? '';
  return `${String(key)}${text === '' ? '' : `=${text}`}:${String(effect)}`;
}

/** Pods that a service needs at the same time. */
export interface Demand {
  /** Of each pod. */
  readonly request: Resources;
  readonly replicas: number;
  /** Labels of nodes over whose values they are spread. */
  readonly spread: readonly string[];
  /** Whether each needs a node of its own. */
  readonly apart?: boolean;
}

/** The pods of a service. All of them request the same. */
export function demandOf(deployment: KubernetesObject): Demand {
  const { topologySpreadConstraints, affinity } = podSpecOf(deployment);
  const keys = listOf(topologySpreadConstraints);
  return {
    request: requestOf(deployment),
    replicas: podCountOf(deployment),
    spread: keys.map(({ topologyKey }) => String(topologyKey)),
    apart: fieldsOf(affinity)['podAntiAffinity'] !== undefined,
  };
}

function fits(request: Resources, free: Resources): boolean {
  return Object.entries(request).every(([resource, amount]) => amount <= (free[resource] ?? 0));
}

/**
 * What a scheduler reserves for a pod: the sum of its containers, or what one of its init containers needs beside the sidecars
 * before it, if that is more; and its overhead.
 */
export function podRequest(spec: Fields): Resources {
  const sidecars: Record<string, number> = {};
  const most: Record<string, number> = {};
  for (const container of listOf(spec['initContainers'])) {
    const isSidecar = container['restartPolicy'] === 'Always';
    for (const [resource, amount] of requestsIn(container['resources'])) {
      const needed = (sidecars[resource] ?? 0) + amount;
      if (isSidecar) sidecars[resource] = needed;
      most[resource] = Math.max(most[resource] ?? 0, needed);
    }
  }
  const total: Record<string, number> = { ...sidecars, pods: 1 };
  for (const { resources } of listOf(spec['containers']))
    for (const [resource, amount] of requestsIn(resources))
      total[resource] = (total[resource] ?? 0) + amount;
  for (const [resource, amount] of Object.entries(most))
    total[resource] = Math.max(total[resource] ?? 0, amount);
  // Requests of the whole pod take the place of the sum (KEP-2837).
  for (const [resource, amount] of requestsIn(spec['resources'])) total[resource] = amount;
  for (const [resource, amount] of Object.entries(fieldsOf(spec['overhead'])))
    total[resource] = (total[resource] ?? 0) + quantity(amount);
  return total;
}

function requestsIn(resources: unknown): [string, number][] {
  return Object.entries(fieldsOf(fieldsOf(resources)['requests'])).map(([resource, amount]) => [
    resource,
    quantity(amount),
  ]);
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
    ready: ready?.['status'] === 'True',
    cordoned: spec['unschedulable'] === true,
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
