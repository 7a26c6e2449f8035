import { type Fields, fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { counted, formatBytes, oneLine } from '../../../core/text.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import {
  arrivals,
  type Change,
  changesBetween,
  isStopped,
  type ServiceName,
} from '../../change.ts';
import type { Found } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import { groupOf, type Kind, kinds } from '../api/kinds.ts';
import {
  type ClusterNode,
  candidates,
  demandOf,
  exclusions,
  nodesOf,
  type Resources,
  requestOf,
} from '../capacity.ts';
import { labels } from '../labels.ts';
import { byScarcity, Packing } from '../packing.ts';
import { metadataOf } from '../pods.ts';
import { quantity } from '../quantity.ts';
import { clusterWorkload } from '../workload.ts';
import { podCountOf, podSpecOf } from '../workload-kinds.ts';
import type { ClusterConstraintInput } from './constraint.ts';

const MAX_REASONS = 6;
const MAX_TEXT = 800;

/** A service that a change starts. */
interface Starting extends ServiceName {
  readonly workload: KubernetesWorkload;
  readonly deployed: KubernetesService;
}

type Judged = Pick<Constraint, 'satisfied' | 'found'>;

/**
 * All services that start find room together on nodes that are large enough and allowed, beside what runs; one that starts after
 * its predecessor stopped finds that one's room free.
 */
export async function capacity(input: ClusterConstraintInput): Promise<Constraint[]> {
  const starting = startingServices(input.change);
  if (starting.length === 0) return [];
  const nodes = await readableNodes(input);
  const found = new Map<Starting, Judged>();
  const packing = new Packing(input.cluster, isLeaving(starting, input), input.signal);
  const order = starting.toSorted((a, b) =>
    byScarcity(demandOf(a.deployed.deployment), demandOf(b.deployed.deployment)),
  );
  for (const each of order)
    found.set(
      each,
      nodes === undefined
        ? { satisfied: true, found: 'the account may not read nodes' }
        : await roomFor(each, { nodes, packing, input }),
    );
  return starting.map((each) => {
    const { replicas, apart } = demandOf(each.deployed.deployment);
    const several =
      apart === true
        ? `${counted(replicas, 'node')} with room`
        : `room for ${counted(replicas, 'pod')}`;
    const room = replicas === 1 ? 'a node with room' : several;
    return {
      rule: 'capacity',
      needs: `${room} for service ${each.service} of release ${each.release}`,
      ...(found.get(each) ?? { satisfied: false, found: 'not checked' }),
    };
  });
}

/** The services of arriving releases, except those that a person stopped and those that run unchanged. */
export function startingServices(change: Change): Starting[] {
  const running = new Set(
    change.from.releases.flatMap((each) =>
      (clusterWorkload(each)?.services ?? []).map(({ deployment }) => deployment.metadata.name),
    ),
  );
  return arrivals(change).flatMap(({ release }) => {
    const workload = clusterWorkload(release);
    if (workload === undefined) return [];
    return workload.services
      .filter(({ name }) => !isStopped(change, { release: release.name, service: name }))
      .filter(({ deployment }) => !running.has(deployment.metadata.name))
      .map((deployed) => {
        return { workload, deployed, release: release.name, service: deployed.name };
      });
  });
}

/** The pods of predecessors that stop first. */
function isLeaving(
  starting: readonly Starting[],
  { change }: ClusterConstraintInput,
): (pod: Found) => boolean {
  const leaving = new Set(
    (change.exclusive ?? []).map(({ release, service }) => `${release} ${service}`),
  );
  const site = starting[0]?.workload.site;
  return (pod) => {
    const own = fieldsOf(metadataOf(pod)['labels']);
    const name = `${String(own[labels.release])} ${String(own[labels.service])}`;
    return own[labels.site] === site && leaving.has(name);
  };
}

async function roomFor(
  { deployed: { deployment }, release, service }: Starting,
  place: {
    readonly nodes: readonly ClusterNode[];
    readonly packing: Packing;
    readonly input: ClusterConstraintInput;
  },
): Promise<Judged> {
  const { nodes, packing, input } = place;
  const demand = demandOf(deployment);
  const possible = candidates(deployment, nodes);
  const wanted = requestText(demand.request);
  if (possible.length === 0)
    return { satisfied: false, found: `${excludedText(deployment, nodes)}; it needs ${wanted}` };
  if (demand.apart === true && possible.length < demand.replicas)
    return {
      satisfied: false,
      found: `${possible.length} of ${counted(nodes.length, 'node')} may run it and have ${wanted}, and each of its ${counted(demand.replicas, 'pod')} needs a node of its own`,
    };
  const missing = demand.spread.find((key) =>
    possible.every(({ labels: { [key]: value } }) => value === undefined),
  );
  if (missing !== undefined)
    return {
      satisfied: false,
      found: `none of ${counted(possible.length, 'node')} that may run it has the label ${missing}, over which its replicas are spread`,
    };
  try {
    const placed = await packing.place(demand, possible);
    const alone = input.change.exclusive?.some(
      (each) => each.release === release && each.service === service,
    );
    if (placed === 'placed')
      return {
        satisfied: true,
        found:
          alone === true
            ? 'room once its predecessor stopped'
            : `${possible.length} of ${counted(nodes.length, 'node')} may run it`,
      };
    if (placed === 'unknown')
      return { satisfied: true, found: 'not known: there are too many nodes to count their pods' };
    const count =
      demand.replicas === 1 ? 'none has' : `they do not have ${counted(demand.replicas, 'time')}`;
    return {
      satisfied: false,
      found: (await packing.hasRoomAlone(demand, possible))
        ? `it may not fit: there is room for it alone, but not beside the other services that start`
        : `${possible.length} of ${counted(nodes.length, 'node')} are large enough, but ${count} ${wanted} free`,
    };
  } catch (error) {
    if (isForbidden(error))
      return { satisfied: true, found: 'not known: the account may not read all pods' };
    throw error;
  }
}

function requestText(request: Resources): string {
  const amounts = Object.entries(request).filter(([resource]) => resource !== 'pods');
  const text = ([resource, amount]: [string, number]): string =>
    `${resource} ${/^(?:memory|ephemeral-storage|hugepages-)/.test(resource) ? formatBytes(amount) : amount}`;
  return amounts.map(text).join(', ') || 'room for a pod';
}

function excludedText(deployment: KubernetesObject, nodes: readonly ClusterNode[]): string {
  if (nodes.length === 0) return 'the cluster has no node';
  const reasons = exclusions(deployment, nodes);
  const shown = reasons.slice(0, MAX_REASONS).map(([reason, count]) => `${count} ${reason}`);
  const rest = reasons.slice(MAX_REASONS).reduce((sum, [, count]) => sum + count, 0);
  const all = [...shown, ...(rest === 0 ? [] : [`${rest} for other reasons`])].join(', ');
  const none =
    nodes.length === 1 ? 'the only node cannot' : `none of ${counted(nodes.length, 'node')} can`;
  return oneLine(`${none} run it: ${all}`, MAX_TEXT);
}

const nodesRead = new WeakMap<ClusterConstraintInput, Promise<ClusterNode[] | undefined>>();

/** The nodes of the cluster, read once in a plan; undefined for an account that may not read them. */
export function readableNodes(input: ClusterConstraintInput): Promise<ClusterNode[] | undefined> {
  const nodes =
    nodesRead.get(input) ??
    nodesOf(input.cluster, input.signal).catch((error: unknown) => {
      if (isForbidden(error)) return undefined;
      throw error;
    });
  nodesRead.set(input, nodes);
  return nodes;
}

/** Sums of fractions of processors. */
const ROUNDING = 1e-6;

/** What exists at the same time, beside what runs already. */
interface Together {
  readonly amounts: Resources;
  /** Such as `the services`. */
  readonly what: string;
}

/** The quotas of a namespace allow everything that starts together; a dry run tries each pod alone. */
export async function quota(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { cluster, signal } = input;
  const constraints: Constraint[] = [];
  for (const [namespace, demands] of demandsByNamespace(input)) {
    const needs = `the quotas of namespace ${namespace} allow what starts there`;
    const quotas: Found[] = [];
    try {
      for await (const each of cluster.list({ kind: 'ResourceQuota', namespace }, signal))
        quotas.push(each);
    } catch (error) {
      if (!isForbidden(error)) throw error;
      const found = 'not proven: the account may not list resourcequotas';
      constraints.push({ rule: 'quota', satisfied: true, needs, found });
      continue;
    }
    // Quotas of another scope may be for other pods.
    const whole = quotas.filter((each) => !hasScopes(fieldsOf(each['spec'])));
    const exceeded = whole.flatMap((each) => demands.flatMap((one) => exceededIn(each, one)));
    constraints.push({
      rule: 'quota',
      satisfied: exceeded.length === 0,
      needs,
      found:
        exceeded.length > 0
          ? exceeded.join('; ')
          : quotas.length === 0
            ? 'no quota'
            : whole.length < quotas.length
              ? 'enough is left; quotas with scopes were not checked'
              : 'enough is left',
    });
  }
  return constraints;
}

/** The services of each namespace, and before they start, one after the other, the Jobs that fill their volumes. */
function demandsByNamespace(input: ClusterConstraintInput): Map<string, Together[]> {
  const demands = new Map<string, Together[]>();
  const add = (namespace: string, demand: Together): void => {
    demands.set(namespace, [...(demands.get(namespace) ?? []), demand]);
  };
  for (const [namespace, amounts] of amountsByNamespace(input))
    add(namespace, { amounts, what: 'the services' });
  for (const { release } of arrivals(input.change)) {
    const { fill, namespace = '' } = clusterWorkload(release) ?? {};
    if (fill === undefined) continue;
    const amounts = { ...quotaAmounts(fill.job), [countKey(fill.job)]: 1 };
    add(namespace, { amounts, what: `the Job that fills claim ${fill.claim}` });
  }
  return demands;
}

/** What starts in each namespace, less what stops before. */
function amountsByNamespace({ change }: ClusterConstraintInput): Map<string, Resources> {
  const amounts = new Map<string, Record<string, number>>();
  const count = (namespace: string, deployment: KubernetesObject, sign: number): void => {
    const sum = amounts.get(namespace) ?? {};
    amounts.set(namespace, sum);
    const pods = sign * podCountOf(deployment);
    for (const [key, amount] of Object.entries(quotaAmounts(deployment)))
      sum[key] = (sum[key] ?? 0) + pods * amount;
    const objects = countKey(deployment);
    sum[objects] = (sum[objects] ?? 0) + sign;
  };
  const { leaving } = changesBetween(change.from, change.to);
  for (const { workload, deployed } of startingServices(change))
    count(workload.namespace, deployed.deployment, 1);
  for (const release of leaving) {
    const workload = clusterWorkload(release);
    for (const { name, deployment } of workload?.services ?? [])
      if (
        amounts.has(workload?.namespace ?? '') &&
        change.exclusive?.some((each) => each.release === release.name && each.service === name)
      )
        count(workload?.namespace ?? '', deployment, -1);
  }
  return amounts;
}

/** The key of a quota for the number of such objects. */
function countKey({ kind }: KubernetesObject): string {
  return `count/${kinds[kind as Kind].plural}.${groupOf(kind as Kind)}`;
}

/** What a pod of an object counts for, by the keys of a quota. */
function quotaAmounts(workload: KubernetesObject): Resources {
  const { pods = 1, ...requests } = requestOf(workload);
  const amounts: Record<string, number> = { pods, 'count/pods': pods };
  for (const [resource, amount] of Object.entries(requests)) {
    amounts[`requests.${resource}`] = amount;
    if (resource === 'cpu' || resource === 'memory') amounts[resource] = amount;
  }
  for (const { resources } of listOf(podSpecOf(workload)['containers']))
    for (const [resource, amount] of Object.entries(fieldsOf(fieldsOf(resources)['limits']))) {
      const key = `limits.${resource}`;
      amounts[key] = (amounts[key] ?? 0) + quantity(amount);
    }
  return amounts;
}

function exceededIn(found: Found, { amounts, what }: Together): string[] {
  const name = textOf(metadataOf(found)['name']) ?? '';
  const status = fieldsOf(found['status']);
  const used = fieldsOf(status['used']);
  const hard = { ...fieldsOf(fieldsOf(found['spec'])['hard']), ...fieldsOf(status['hard']) };
  return Object.entries(hard).flatMap(([key, limit]) => {
    const more = amounts[key] ?? 0;
    if (more <= 0 || quantity(used[key]) + more <= quantity(limit) + ROUNDING) return [];
    return [
      `quota ${name}: ${key}: ${String(used[key] ?? 0)} of ${String(limit)} used, ${more} more needed for ${what}`,
    ];
  });
}

function hasScopes({ scopes, scopeSelector }: Fields): boolean {
  return scopes !== undefined || scopeSelector !== undefined;
}
