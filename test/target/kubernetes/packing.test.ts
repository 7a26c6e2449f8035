import { describe, expect, it } from 'vitest';
import type { Cluster, Found, Selection } from '../../../src/target/kubernetes/api/cluster.ts';
import {
  type ClusterNode,
  type Demand,
  podRequest,
} from '../../../src/target/kubernetes/capacity.ts';
import { byScarcity, Packing } from '../../../src/target/kubernetes/packing.ts';

const GPU = 'nvidia.com/gpu';
const { signal } = new AbortController();

function node(name: string, allocatable: object, zone = name): ClusterNode {
  const labels = { zone };
  const own = { pods: 110, cpu: 8, memory: 64, ...allocatable };
  return { name, labels, taints: [], ready: true, cordoned: false, allocatable: own };
}

function demand(request: object, replicas = 1, spread: readonly string[] = []): Demand {
  return { request: { pods: 1, ...request }, replicas, spread };
}

/** A cluster whose nodes have pods, and how many nodes were asked for them. */
function packingOf(
  pods: Readonly<Record<string, readonly object[]>> = {},
  isLeaving: (pod: Found) => boolean = () => false,
) {
  const asked: string[] = [];
  const cluster = {
    async *list({ fields = '' }: Selection) {
      const name = /spec\.nodeName=([^,]*)/.exec(fields)?.[1] ?? '';
      asked.push(name);
      yield* pods[name] ?? [];
    },
  } as unknown as Cluster;
  return { packing: new Packing(cluster, isLeaving, signal), asked };
}

const uses = (requests: object): object => ({
  spec: { containers: [{ resources: { requests } }] },
});

describe('when services share nodes', () => {
  it.each([
    [1, ['placed', 'full']],
    [2, ['placed', 'placed']],
  ])('gives %s GPUs to one service after the other', async (count, expected) => {
    const { packing } = packingOf();
    const nodes = [node('a', { [GPU]: count })];
    const first = await packing.place(demand({ [GPU]: 1 }), nodes);
    expect([first, await packing.place(demand({ [GPU]: 1 }), nodes)]).toEqual(expected);
    expect(await packing.hasRoomAlone(demand({ [GPU]: 1 }), nodes)).toBe(true);
  });

  it('gives each pod a node of its own where a service needs that, beside the pods of others', async () => {
    const { packing } = packingOf();
    const nodes = [node('a', { [GPU]: 4 }), node('b', { [GPU]: 2 })];
    const apart = { ...demand({ [GPU]: 1 }, 2), apart: true };
    expect(await packing.place({ ...apart, replicas: 3 }, nodes)).toBe('full');
    expect(await packing.place(apart, nodes)).toBe('placed');
    expect(await packing.place(apart, nodes)).toBe('placed');
    expect(await packing.place(apart, nodes)).toBe('full');
    expect(await packing.place(demand({ [GPU]: 1 }, 2), nodes)).toBe('placed');
  });

  it('places all pods of a service or none', async () => {
    const { packing } = packingOf();
    const nodes = [node('a', { [GPU]: 2 }), node('b', { [GPU]: 1 })];
    expect(await packing.place(demand({ [GPU]: 1 }, 4), nodes)).toBe('full');
    expect(await packing.place(demand({ [GPU]: 1 }, 3), nodes)).toBe('placed');
  });

  it.each([
    ['what runs there', false, 'full'],
    ['not what leaves', true, 'placed'],
  ] as const)('counts %s', async (_, leaves, expected) => {
    const { packing } = packingOf({ a: [uses({ [GPU]: '1' })] }, () => leaves);
    expect(await packing.place(demand({ [GPU]: 1 }), [node('a', { [GPU]: 1 })])).toBe(expected);
  });

  it.each([
    ['one zone is full', [2, 0], 2, 'full'],
    ['both have one', [1, 1], 2, 'placed'],
    ['one has one more', [2, 1], 3, 'placed'],
    ['one would have two more', [3, 1], 4, 'full'],
  ] as const)('spreads pods over zones: %s', async (_, [a, b], replicas, expected) => {
    const { packing } = packingOf();
    const nodes = [node('a', { [GPU]: a }), node('b', { [GPU]: b })];
    expect(await packing.place(demand({ [GPU]: 1 }, replicas, ['zone']), nodes)).toBe(expected);
  });

  it('reads the pods of no more nodes than it must, and of none twice', async () => {
    const { packing, asked } = packingOf();
    const nodes = Array.from({ length: 100 }, (_, at) => node(`n${at}`, {}));
    await packing.place(demand({ cpu: 8 }, 2), nodes);
    await packing.place(demand({ cpu: 8 }), nodes);
    expect(asked).toEqual(['n0', 'n1', 'n2']);
    expect(await packing.place(demand({ cpu: 9 }), nodes)).toBe('unknown');
    expect(asked).toHaveLength(50);
  });

  it('gives out what is scarce first', () => {
    const sorted = [demand({ cpu: 4 }), demand({ memory: 8 }), demand({ [GPU]: 1 }, 2)];
    expect(sorted.toSorted(byScarcity)).toEqual(sorted.toReversed());
  });
});

describe('when the request of a pod is read', () => {
  const container = (cpu: string, more: object = {}): object => {
    return { resources: { requests: { cpu } }, ...more };
  };

  it.each<[string, object, number]>([
    ['containers', { containers: [container('1'), container('500m')] }, 1.5],
    [
      'a smaller init container',
      { containers: [container('2')], initContainers: [container('1')] },
      2,
    ],
    [
      'a larger init container',
      { containers: [container('1')], initContainers: [container('3')] },
      3,
    ],
    [
      'a sidecar',
      {
        containers: [container('1')],
        initContainers: [container('1', { restartPolicy: 'Always' })],
      },
      2,
    ],
    [
      'an init container after a sidecar',
      {
        containers: [container('1')],
        initContainers: [container('1', { restartPolicy: 'Always' }), container('3')],
      },
      4,
    ],
    ['an overhead', { containers: [container('1')], overhead: { cpu: '250m' } }, 1.25],
    ['the whole pod', { containers: [container('1')], resources: { requests: { cpu: '3' } } }, 3],
    ['nothing', {}, 0],
  ])('counts %s', (_, spec, cpu) => {
    expect(podRequest(spec as Record<string, unknown>)['cpu'] ?? 0).toBe(cpu);
  });
});
