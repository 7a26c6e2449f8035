import { fieldsOf } from '../../../core/json.ts';
import { counted, formatBytes, oneLine } from '../../../core/text.ts';
import type {
  KubernetesObject,
  KubernetesService,
  KubernetesWorkload,
} from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, type Change, isStopped, type ServiceName } from '../../change.ts';
import type { Found } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import {
  type ClusterNode,
  candidates,
  demandOf,
  exclusions,
  nodesOf,
  type Resources,
} from '../capacity.ts';
import { labels } from '../labels.ts';
import { byScarcity, Packing } from '../packing.ts';
import { metadataOf } from '../pods.ts';
import { clusterWorkload } from '../workload.ts';
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
