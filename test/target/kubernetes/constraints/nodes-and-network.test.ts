import { describe, expect, it } from 'vitest';
import { nodeDisk } from '../../../../src/target/kubernetes/constraints/disk.ts';
import {
  networkPolicy,
  outsidePorts,
  unrestricted,
} from '../../../../src/target/kubernetes/constraints/network.ts';
import { ProofFile } from '../../../../src/target/kubernetes/doctor/cluster-proof.ts';
import { twoServices } from '../rendered.ts';
import { ask, object } from './ask.ts';

const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
const node = (disk: object): object => ({
  metadata: { name: 'n1', labels },
  status: {
    allocatable: { pods: '110', cpu: '8', memory: '64Gi', ...disk },
    conditions: [{ type: 'Ready', status: 'True' }],
  },
});

describe('when images and models need disk on a node', () => {
  // The model has 8 bytes, which a node stores twice; the manifest of the image lists no layers.
  it.each([
    ['one byte too small', [node({ 'ephemeral-storage': '15' })], false, /^the largest of 1 node/],
    ['just large enough', [node({ 'ephemeral-storage': '16' })], true, /^1 of 1 node have it/],
    ['unknown', [node({})], true, /^not known: the nodes do not report/],
    ['of no node', [], true, /^not known: no node/],
  ] as const)('judges a disk that is %s', async (_, nodes, satisfied, text) => {
    const all = await nodeDisk(ask(twoServices, { Node: nodes }));
    const back = all.find(({ needs }) => needs.includes('service back'));
    expect(back).toMatchObject({ satisfied, found: expect.stringMatching(text) });
    expect(back?.needs).toContain('16 B ');
  });

  it('claims nothing for an account that may not read nodes', async () => {
    const [first] = await nodeDisk(ask(twoServices, { Node: 403 }));
    expect(first).toMatchObject({ satisfied: true, found: expect.stringMatching(/^not known/) });
  });
});

describe('when the network of a cluster is judged', () => {
  const found = async (
    held = {},
    at?: { ingress: boolean; egress: boolean; at: string },
  ): Promise<unknown> => {
    const input = ask(twoServices, held);
    const proof = new ProofFile(input.root, input.cluster, input.signal);
    if (at !== undefined) await proof.add({ networkPolicy: at });
    return (await networkPolicy(input)).map((each) => [each.rule, each.satisfied, each.found]);
  };

  it('proves no policy before doctor tried one', async () => {
    expect(await found()).toEqual([
      ['network-policy', true, 'not proven: stowage doctor tries it'],
    ]);
  });

  it.each([
    [true, true, 'network-policy', /^proven at 2026/],
    // A plan shows what a target ignores without --all.
    [false, false, 'ignored', /are not enforced, .*every pod.* and they can connect/],
    [true, false, 'ignored', /for incoming connections only, .*: the services can connect to any/],
    [false, true, 'ignored', /for outgoing connections only, .*: every pod .* reach the services$/],
  ])('repeats what doctor showed: ingress %s, egress %s', async (ingress, egress, rule, text) => {
    const seen = await found({}, { ingress, egress, at: '2026-11-28T05:00:00Z' });
    expect(seen).toEqual([[rule, true, expect.stringMatching(text)]]);
  });

  it('proves nothing for another cluster', async () => {
    const kube = (uid: string): object => ({
      Namespace: [object('Namespace', 'kube-system', { metadata: { name: 'kube-system', uid } })],
    });
    const [one, two] = [ask(twoServices, { ...kube('one') }), ask(twoServices, { ...kube('two') })];
    const of = (cluster: typeof one.cluster): ProofFile =>
      new ProofFile(one.root, cluster, one.signal);
    const networkPolicy = { ingress: true, egress: true, at: '2026-11-28T05:00:00Z' };
    await of(one.cluster).add({ networkPolicy });
    expect(await of(one.cluster).read()).toMatchObject({ networkPolicy });
    expect((await of(two.cluster).read()).networkPolicy).toBeUndefined();
  });

  it('asks the cluster nothing where nothing was proven', async () => {
    const { root, signal } = ask(twoServices);
    const unreachable = { tryGet: () => Promise.reject(new Error('asked')) } as never;
    expect(await new ProofFile(root, unreachable, signal).read()).toEqual({ pulls: [] });
  });

  it('names what no policy of the release restricts', () => {
    const [onNode, chart] = [
      twoServices.replace('  - name: back\n', '  - name: back\n    network: host\n'),
      ask(twoServices),
    ];
    expect(unrestricted(chart)).toEqual([]);
    expect(unrestricted(ask(onNode))).toMatchObject([
      {
        ...{ rule: 'ignored', satisfied: true, found: 'not restricted: the network of the node' },
        needs: expect.stringContaining('service back of release'),
      },
    ]);
    const more = { charts: [{ name: 'gpu' } as never], objects: [{ name: 'limits' } as never] };
    const bundles = new Map(
      [...chart.change.bundles].map(([id, bundle]) => [id, { ...bundle, ...more }]),
    );
    const own = 'not restricted: only its own NetworkPolicies apply to its pods';
    expect(unrestricted({ change: { ...chart.change, bundles } })).toMatchObject([
      { needs: expect.stringContaining('chart gpu of release'), found: own },
      { needs: expect.stringContaining('objects limits of release'), found: own },
    ]);
  });

  const ports = async (service: string, held = {}, clients = ['10.0.0.0/8']): Promise<string[]> => {
    const all = await outsidePorts(ask(twoServices, held, { settings: { service, clients } }));
    expect(all.every(({ satisfied }) => satisfied)).toBe(true);
    return all.map((each) => each.found ?? '');
  };
  const service = (name: string, spec: object, ...ingress: readonly object[]): object => ({
    ...{ metadata: { name, namespace: 'web' }, spec: { type: 'LoadBalancer', ...spec } },
    status: { loadBalancer: { ingress } },
  });

  it('says what the cluster decides for NodePort, and nothing for ClusterIP', async () => {
    expect(await ports('ClusterIP')).toEqual([]);
    const assigned = expect.stringMatching(/^the cluster assigns 1 /);
    expect(await ports('NodePort')).toEqual([assigned, assigned]);
  });

  it.each(['NodePort', 'LoadBalancer'])(
    'says that policies admit nobody from outside without a network of clients: %s',
    async (service) => {
      const refused = /; where policies are enforced, they admit no client outside the cluster: /;
      for (const clients of [[], ['apps']])
        for (const each of await ports(service, {}, clients)) expect(each).toMatch(refused);
      for (const each of await ports(service, {}, ['apps', '10.0.0.5']))
        expect(each).not.toMatch(refused);
    },
  );

  const waiting = service('a', {});
  it.each<[string, readonly object[] | number, RegExp]>([
    [
      'an address',
      [waiting, service('b', {}, { ip: '10.0.0.9' })],
      /^proven: Service web\/b has address 10\.0\.0\.9$/,
    ],
    ['a name', [service('b', {}, { hostname: 'lb.site' })], /^proven: .* has address lb\.site$/],
    ['only waiting ones', [waiting, waiting], /^not proven: 2 Services .* no load balancer$/],
    [
      'a waiting one with a class',
      [service('a', { loadBalancerClass: 'example.com/lb' })],
      /^not proven: 1 Service .*; they name class example\.com\/lb$/,
    ],
    [
      'none',
      [service('c', { type: 'ClusterIP' }, { ip: '10.0.0.9' })],
      /^not proven: the cluster has no/,
    ],
    ['none to be seen', 403, /^not proven: the account may not list/],
  ])(
    'proves a load balancer by a Service of any namespace that has one: %s',
    async (_, held, text) => {
      expect(await ports('LoadBalancer', { Service: held })).toEqual([
        expect.stringMatching(text),
        expect.stringMatching(text),
      ]);
    },
  );
});
