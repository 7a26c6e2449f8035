import { fieldsOf } from '../../core/json.ts';
import type { Cluster, Found } from './api/cluster.ts';
import { type ClusterNode, type Demand, podRequest, type Resources } from './capacity.ts';

/** The nodes whose pods are counted, at most, before what is free counts as unknown: each costs a request. */
const MAX_COUNTED = 50;
/** Sums of fractions of processors. */
const ROUNDING = 1e-9;

/** `unknown` if the nodes whose pods were counted have no room, and there are others. */
export type Placed = 'placed' | 'full' | 'unknown';

interface Room {
  readonly node: ClusterNode;
  /** What its pods leave. */
  readonly free: Resources;
  /** What was placed here. */
  reserved: Resources;
}

/**
 * Places the pods of several services on the nodes of a cluster as a scheduler would, one after the other: what one gets, the next
 * does not. Reads the pods of a node when it first matters.
 */
export class Packing {
  readonly #cluster: Cluster;
  readonly #isLeaving: (pod: Found) => boolean;
  readonly #signal: AbortSignal;
  readonly #rooms = new Map<string, Room>();

  /** @param isLeaving whether a pod ends before the new ones start */
  constructor(cluster: Cluster, isLeaving: (pod: Found) => boolean, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#isLeaving = isLeaving;
    this.#signal = signal;
  }

  /** Reserves room for every pod, or for none. @param nodes those that the pods may run on */
  async place(demand: Demand, nodes: readonly ClusterNode[]): Promise<Placed> {
    return this.#place(demand, nodes, true);
  }

  /** Whether pods would have room if nothing had been placed before. */
  async hasRoomAlone(demand: Demand, nodes: readonly ClusterNode[]): Promise<boolean> {
    return (await this.#place(demand, nodes, false)) === 'placed';
  }

  async #place(
    { request, replicas, spread, apart }: Demand,
    nodes: readonly ClusterNode[],
    together: boolean,
  ): Promise<Placed> {
    const labeled = nodes.filter(({ labels }) => spread.every((key) => labels[key] !== undefined));
    const counted = labeled.filter(({ name }) => this.#rooms.has(name));
    const order = [...counted, ...labeled.filter(({ name }) => !this.#rooms.has(name))];
    const own = new Map<Room, number>();
    const domains = new Map(spread.map((key) => [key, domainsOf(labeled, key)]));
    const taken = (room: Room): Resources =>
      sum(together ? room.reserved : {}, times(request, own.get(room) ?? 0));
    const rooms: Room[] = [];
    for (let placed = 0; placed < replicas; ) {
      // The emptiest domain first, as the constraint with a maximal skew of 1 wants it.
      const [best] = rooms
        .filter((room) => fits(request, room.free, taken(room)))
        .filter(({ node }) => mayHaveOneMore(node, domains))
        .filter((room) => apart !== true || !own.has(room))
        .toSorted((a, b) => (own.get(a) ?? 0) - (own.get(b) ?? 0));
      if (best === undefined) {
        const next = order[rooms.length];
        if (next === undefined) return 'full';
        if (rooms.length >= MAX_COUNTED) return 'unknown';
        rooms.push(await this.#room(next));
        continue;
      }
      own.set(best, (own.get(best) ?? 0) + 1);
      for (const [key, counts] of domains)
        counts.set(best.node.labels[key], (counts.get(best.node.labels[key]) ?? 0) + 1);
      placed += 1;
    }
    if (together)
      for (const [room, count] of own) room.reserved = sum(room.reserved, times(request, count));
    return 'placed';
  }

  async #room(node: ClusterNode): Promise<Room> {
    const known = this.#rooms.get(node.name);
    if (known !== undefined) return known;
    const fields = `spec.nodeName=${node.name},status.phase!=Succeeded,status.phase!=Failed`;
    let used: Resources = {};
    for await (const pod of this.#cluster.list({ kind: 'Pod', fields }, this.#signal))
      if (!this.#isLeaving(pod)) used = sum(used, podRequest(fieldsOf(pod['spec'])));
    const room = { node, free: sum(node.allocatable, times(used, -1)), reserved: {} };
    this.#rooms.set(node.name, room);
    return room;
  }
}

/** How many pods each value of a label has, at first none. */
function domainsOf(nodes: readonly ClusterNode[], key: string): Map<unknown, number> {
  return new Map(nodes.map(({ labels }) => [labels[key], 0]));
}

/** No value of a label gets more than one pod above the value with the fewest. */
function mayHaveOneMore(
  { labels }: ClusterNode,
  domains: ReadonlyMap<string, ReadonlyMap<unknown, number>>,
): boolean {
  return [...domains].every(
    ([key, counts]) => (counts.get(labels[key]) ?? 0) <= Math.min(...counts.values()),
  );
}

function fits(request: Resources, free: Resources, taken: Resources): boolean {
  return Object.entries(request).every(
    ([resource, amount]) =>
      amount === 0 || amount <= (free[resource] ?? 0) - (taken[resource] ?? 0) + ROUNDING,
  );
}

function sum(a: Resources, b: Resources): Resources {
  const total: Record<string, number> = { ...a };
  for (const [resource, amount] of Object.entries(b))
    total[resource] = (total[resource] ?? 0) + amount;
  return total;
}

function times(resources: Resources, count: number): Resources {
  return Object.fromEntries(
    Object.entries(resources).map(([resource, amount]) => [resource, amount * count]),
  );
}

/** Sorts what needs most devices, then most memory, first: what is scarce is given out before the rest. */
export function byScarcity(a: Demand, b: Demand): number {
  return (
    devices(b) - devices(a) ||
    amount(b, 'memory') - amount(a, 'memory') ||
    amount(b, 'cpu') - amount(a, 'cpu')
  );
}

function devices({ request, replicas }: Demand): number {
  return Object.entries(request).reduce(
    (total, [resource, count]) => (resource.includes('/') ? total + count * replicas : total),
    0,
  );
}

function amount({ request, replicas }: Demand, resource: string): number {
  return (request[resource] ?? 0) * replicas;
}
