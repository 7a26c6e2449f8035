import { describe, expect, it } from 'vitest';
import type { KubernetesSite } from '../../../../src/format/kubernetes-site.ts';
import type { Change } from '../../../../src/target/change.ts';
import type { Cluster } from '../../../../src/target/kubernetes/api/cluster.ts';
import { rightText } from '../../../../src/target/kubernetes/api/review.ts';
import { capacity } from '../../../../src/target/kubernetes/constraints/capacity.ts';
import type { ClusterConstraintInput } from '../../../../src/target/kubernetes/constraints/constraint.ts';
import { rights, rightsFor } from '../../../../src/target/kubernetes/constraints/rights.ts';
import {
  leaderWorkerSets,
  version,
} from '../../../../src/target/kubernetes/constraints/version.ts';
import { workloadOf } from '../../../../src/target/kubernetes/workload.ts';
import { bundleFrom, clusterSite, deployed, generationOf, twoServices } from '../rendered.ts';

const gpu = twoServices.replace('    cpus: 1.5', '    gpus: 2');

/** The service `back` on two nodes, with two GPUs on each. */
const spanning = twoServices.replace(
  '    mounts:',
  '    gpus: 2\n    nodes: { count: 2, ports: [29500], worker: { args: [] } }\n    mounts:',
);

/** What a cluster answers. */
interface Answers {
  readonly gitVersion?: string;
  /** Rights that it denies, in words. */
  readonly denied?: readonly string[];
  readonly nodes?: readonly object[];
  readonly pods?: readonly object[];
  /** Whether it has LeaderWorkerSets. */
  readonly sets?: boolean;
}

function clusterOf({
  gitVersion = 'v1.36.3',
  denied = [],
  nodes = [],
  pods = [],
  sets = false,
}: Answers): Cluster {
  const fake = {
    hasKind: async () => sets,
    read: async () => ({ gitVersion }),
    create: async (
      _: string,
      { spec }: { spec: { resourceAttributes: Record<string, string> } },
    ) => {
      const { verb = '', group = '', resource, subresource, namespace } = spec.resourceAttributes;
      const whole = subresource === undefined ? resource : `${resource}/${subresource}`;
      const text = rightText({
        ...{ verb, group, resource: whole ?? '' },
        ...(namespace === undefined ? {} : { namespace }),
      });
      return { object: { status: { allowed: !denied.includes(text) } } };
    },
    async *list({ kind }: { kind: string }) {
      yield* kind === 'Node' ? nodes : pods;
    },
  };
  return fake as unknown as Cluster;
}

function input(
  text: string,
  answers: Answers,
  more: { settings?: Partial<KubernetesSite>; exclusive?: Change['exclusive'] } = {},
): ClusterConstraintInput {
  const bundle = bundleFrom(text);
  const settings = clusterSite(more.settings ?? {});
  const release = deployed(bundle, settings);
  return {
    change: {
      ...{ intent: 'install', from: generationOf(0), to: generationOf(1, release) },
      bundles: new Map([[release.bundle, bundle]]),
      ...(more.exclusive === undefined ? {} : { exclusive: more.exclusive }),
    },
    cluster: clusterOf(answers),
    settings,
    signal: new AbortController().signal,
  } as unknown as ClusterConstraintInput;
}

const node = (allocatable: object, more: object = {}, spec: object = {}) => ({
  metadata: {
    name: 'n',
    labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', ...more },
  },
  spec,
  status: {
    allocatable: { pods: '110', cpu: '8', memory: '64Gi', ...allocatable },
    conditions: [{ type: 'Ready', status: 'True' }],
  },
});

describe('when the version of a cluster matters', () => {
  it.each([
    ['v1.36.3', true, /^v1\.36\.3$/],
    ['v1.33.0', true, /feature gate/],
    ['v1.32.9+rke2r1', false, /to volume with a claim/],
    ['odd', false, /to volume with a claim/],
  ])('judges %s', async (gitVersion, satisfied, found) => {
    expect(await version(input(twoServices, { gitVersion }))).toMatchObject([
      { rule: 'version', satisfied, found: expect.stringMatching(found) },
    ]);
  });

  it('needs no version for weights from a claim', async () => {
    const settings = { weights: 'volume', claim: 'models' } as const;
    expect(await version(input(twoServices, { gitVersion: 'v1.20.0' }, { settings }))).toEqual([]);
  });
});

describe('when a service spans several nodes', () => {
  it.each([
    [true, /has it/],
    [false, /install LeaderWorkerSet/],
  ])('needs LeaderWorkerSets in the cluster: %s', async (sets, found) => {
    expect(await leaderWorkerSets(input(spanning, { sets }))).toEqual([
      {
        ...{ rule: 'leader-worker-set', satisfied: sets },
        needs:
          'leaderworkerset.x-k8s.io/v1 LeaderWorkerSet, because several nodes run service back of release chat',
        found: expect.stringMatching(found),
      },
    ]);
    expect(await leaderWorkerSets(input(twoServices, { sets }))).toEqual([]);
  });

  it('needs the right to manage them, and only then', () => {
    const right = 'create leaderworkersets.leaderworkerset.x-k8s.io in stowage-chat';
    const all = (text: string): string[] =>
      rightsFor(workloadOf(deployed(bundleFrom(text)))).map(rightText);
    expect(all(spanning)).toContain(right);
    expect(all(twoServices)).not.toContain(right);
  });

  it.each([
    ['each of which has room', [2, 2], true, /^2 of 2 nodes may run it$/],
    ['one of which is too small', [4, 1], false, /^1 of 2 nodes .* a node of its own$/],
    ['and there is one with room for all', [4], false, /^1 of 1 node .* a node of its own$/],
  ])('needs nodes, %s', async (_, gpus, satisfied, words) => {
    const nodes = gpus.map((count, index) => {
      const made = node({ 'nvidia.com/gpu': String(count) });
      return { ...made, metadata: { ...made.metadata, name: `n${index}` } };
    });
    const constraints = await capacity(input(spanning, { nodes }));
    expect(constraints.filter(({ needs }) => needs.includes('back'))).toEqual([
      {
        ...{ rule: 'capacity', satisfied },
        needs: '2 nodes with room for service back of release chat',
        found: expect.stringMatching(words),
      },
    ]);
  });
});

describe('when an account lacks rights', () => {
  const all = rightsFor(workloadOf(deployed(bundleFrom(twoServices)))).map(rightText);

  it('has them all in a table without duplicates', () => {
    expect(new Set(all).size).toBe(all.length);
    expect(all).toContain('create deployments.apps in stowage-chat');
    expect(all).toContain('create namespaces');
    expect(all.some((each) => each.includes('*'))).toBe(false);
  });

  it.each(all)('names the missing right to %s', async (denied) => {
    const [constraint] = await rights(input(twoServices, { denied: [denied] }));
    expect(constraint).toMatchObject({ satisfied: false, found: `it may not ${denied}` });
  });

  it('needs nothing outside a namespace of the owner', () => {
    const shared = deployed(bundleFrom(twoServices), clusterSite({ namespace: 'models' }));
    for (const { namespace } of rightsFor(workloadOf(shared))) expect(namespace).toBe('models');
  });

  it('needs rights for budgets only where a service has one', () => {
    const budget = 'create poddisruptionbudgets.policy in stowage-chat';
    const several = twoServices.replace(
      /( {4}image: server\n)/,
      '$1    replicas: 2\n    disruption: 1\n',
    );
    const more = rightsFor(workloadOf(deployed(bundleFrom(several)))).map(rightText);
    expect(all).not.toContain(budget);
    expect(more).toContain(budget);
  });

  it('is satisfied with all', async () => {
    expect(await rights(input(twoServices, {}))).toMatchObject([{ satisfied: true }]);
  });
});

describe('when a service needs room', () => {
  const found = async (answers: Answers, more = {}): Promise<unknown[]> =>
    (await capacity(input(gpu, answers, more)))
      .filter(({ needs }) => needs.includes('front'))
      .map((each) => [each.satisfied, each.found]);
  const large = node({ 'nvidia.com/gpu': '2' });
  const taken = {
    spec: { containers: [{ resources: { requests: { 'nvidia.com/gpu': '1' } } }] },
  };

  it('finds a node with room', async () => {
    expect(await found({ nodes: [node({}), large] })).toEqual([[true, '1 of 2 nodes may run it']]);
  });

  it('says what no node has', async () => {
    expect(await found({ nodes: [node({})] })).toEqual([
      [
        false,
        'the only node cannot run it: 1 with too little nvidia.com/gpu; it needs cpu 0.1, memory 1.00 GiB, nvidia.com/gpu 2',
      ],
    ]);
  });

  it('counts the nodes that cannot run it by reason', async () => {
    const fit = { 'nvidia.com/gpu': '2' };
    const down = { ...node(fit), status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } };
    const taints = [{ key: 'team', value: 'other', effect: 'NoExecute' }];
    const nodes = [
      ...[down, down, down],
      ...[
        node(fit, { 'kubernetes.io/arch': 'arm64' }),
        node(fit, { 'kubernetes.io/arch': 's390x' }),
      ],
      node(fit, {}, { unschedulable: true, taints }),
      node(fit, {}, { taints }),
      node({ memory: '1Mi' }),
    ];
    const needs = 'it needs cpu 0.1, memory 1.00 GiB, nvidia.com/gpu 2';
    const reasons = [
      ...['3 not ready', '2 without label kubernetes.io/arch=amd64', '1 cordoned'],
      '1 with taint team=other:NoExecute, which is not tolerated',
      '1 with too little memory and nvidia.com/gpu',
    ];
    expect(await found({ nodes })).toEqual([
      [false, `none of 8 nodes can run it: ${reasons.join(', ')}; ${needs}`],
    ]);
    expect(await found({ nodes: [] })).toEqual([[false, `the cluster has no node; ${needs}`]]);
  });

  it('names few reasons of many', async () => {
    const nodes = Array.from({ length: 40 }, (_, index) =>
      node({}, {}, { taints: [{ key: `t${index}`, effect: 'NoSchedule' }] }),
    );
    expect(await found({ nodes })).toEqual([
      [
        false,
        expect.stringMatching(/^none of 40 nodes can run it: 1 with .*, 34 for other reasons; /),
      ],
    ]);
  });

  it('says that what there is is in use', async () => {
    expect(await found({ nodes: [large], pods: [taken] })).toEqual([
      [false, expect.stringContaining('none has')],
    ]);
  });

  it.each([
    ['nodes with room for all', '', [1, 1, 1], true, /^3 of 3 nodes may run it$/],
    ['one node with room for all', '', [3], true, /^1 of 1 node may run it$/],
    ['too few GPUs', '', [1, 1], false, /do not have 3 times/],
    ['one node, where they are spread', 'kubernetes.io/hostname', [3], true, /may run it/],
    ['a full node, where they are spread', 'kubernetes.io/hostname', [3, 1], true, /may run it/],
    [
      'an uneven pair, where they are spread',
      'kubernetes.io/hostname',
      [2, 0.5],
      false,
      /do not have 3 times/,
    ],
    ['no node with the label', 'rack', [3], false, /has the label rack/],
  ])('counts replicas: %s', async (_, spread, gpus, satisfied, words) => {
    const shape = `    replicas: 3\n${spread === '' ? '' : `    spread: [${spread}]\n`}    gpus: 1`;
    const several = twoServices.replace('    cpus: 1.5', shape);
    const nodes = gpus.map((count, index) => {
      const name = `n${index}`;
      const made = node({ 'nvidia.com/gpu': String(count) }, { 'kubernetes.io/hostname': name });
      return { ...made, metadata: { ...made.metadata, name } };
    });
    const constraints = await capacity(input(several, { nodes }));
    expect(constraints.filter(({ needs }) => needs.includes('3 pods'))).toEqual([
      {
        ...{ rule: 'capacity', satisfied },
        needs: 'room for 3 pods for service front of release chat',
        found: expect.stringMatching(words),
      },
    ]);
  });

  it('needs no room beside a predecessor that stops first', async () => {
    const exclusive = [{ release: 'chat', service: 'front' }];
    const names = { site: '0a1b2c3d', release: 'chat', service: 'front' };
    const labels = Object.fromEntries(
      Object.entries(names).map(([key, value]) => [`stowage.dev/${key}`, value]),
    );
    const predecessor = { ...taken, metadata: { labels } };
    expect(await found({ nodes: [large], pods: [predecessor] }, { exclusive })).toEqual([
      [true, 'room once its predecessor stopped'],
    ]);
    expect(await found({ nodes: [large], pods: [taken] }, { exclusive })).toEqual([
      [false, expect.stringContaining('none has')],
    ]);
  });

  it('counts what all services need together', async () => {
    const both = gpu.replace('    mounts:', '    gpus: 1\n    mounts:');
    const judged = async (count: string): Promise<unknown[]> =>
      (await capacity(input(both, { nodes: [node({ 'nvidia.com/gpu': count })] }))).map((each) => [
        each.satisfied,
        each.found,
      ]);
    const fits = [true, '1 of 1 node may run it'];
    expect(await judged('3')).toEqual([fits, fits]);
    expect(await judged('2')).toEqual([
      [false, expect.stringMatching(/^it may not fit: there is room for it alone/)],
      fits,
    ]);
  });

  it.each([
    ['a taint that is not tolerated', {}, { taints: [{ key: 'gpu', effect: 'NoSchedule' }] }],
    ['another architecture', { 'kubernetes.io/arch': 'arm64' }, {}],
    ['no pods to be scheduled', {}, { unschedulable: true }],
  ])('does not count a node with %s', async (_, labels, spec) => {
    const nodes = [node({ 'nvidia.com/gpu': '2' }, labels, spec)];
    expect(await found({ nodes })).toMatchObject([[false, expect.any(String)]]);
  });
});
