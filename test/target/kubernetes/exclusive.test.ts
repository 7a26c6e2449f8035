import { describe, expect, it } from 'vitest';
import type { Change } from '../../../src/target/change.ts';
import type { Cluster, Selection } from '../../../src/target/kubernetes/api/cluster.ts';
import { refusedRequest } from '../../../src/target/kubernetes/api/failure.ts';
import { exclusiveServices } from '../../../src/target/kubernetes/exclusive.ts';
import { bundleFrom, clusterSite, deployed, generationOf, twoServices } from './rendered.ts';

const { signal } = new AbortController();
/** Two services with a GPU each, in two versions. */
const gpus = twoServices
  .replace('    cpus: 1.5', '    gpus: 1')
  .replace('    mounts:', '    memory: 1GiB\n    gpus: 1\n    mounts:');
const next = gpus.replaceAll('memory: 1GiB', 'memory: 2GiB').replace('1.0.0', '1.1.0');

function nodes(count: number): object[] {
  const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
  const amounts = { pods: '110', cpu: '8', memory: '64Gi', 'nvidia.com/gpu': String(count) };
  const conditions = [{ type: 'Ready', status: 'True' }];
  return [{ metadata: { name: 'n1', labels }, status: { allocatable: amounts, conditions } }];
}

/** A cluster with one node, where the two old services have their GPUs. */
function clusterOf(count: number | undefined): Cluster {
  const fake = {
    async *list({ kind }: Selection) {
      if (count === undefined) {
        const failure = { status: 403, reason: 'Forbidden', message: '', causes: [] };
        throw refusedRequest(`list ${kind}s`, failure);
      }
      const requests = { 'nvidia.com/gpu': '1' };
      const pod = { spec: { containers: [{ resources: { requests } }] } };
      yield* kind === 'Node' ? nodes(count) : [pod, pod];
    },
  };
  return fake as unknown as Cluster;
}

async function exclusive(
  count: number | undefined,
  { from = gpus, to = next, settings = {} } = {},
): Promise<string[]> {
  const site = clusterSite(settings);
  const change: Change = {
    ...{ intent: 'install', bundles: new Map() },
    from: generationOf(1, deployed(bundleFrom(from), site)),
    to: generationOf(2, deployed(bundleFrom(to), site)),
  };
  const found = await exclusiveServices(clusterOf(count), change, { settings: site, signal });
  return found.map(({ service }) => service);
}

describe('when services are replaced', () => {
  it.each([
    [4, []],
    [3, ['front']],
    [2, ['back', 'front']],
  ])(
    'stops those first whose successors do not fit together beside them: %s GPUs',
    async (count, names) => {
      expect((await exclusive(count)).toSorted()).toEqual(names);
    },
  );

  it('stops those with GPUs first where the account may not know what is free', async () => {
    expect((await exclusive(undefined)).toSorted()).toEqual(['back', 'front']);
    const plain = twoServices.replace('1GiB', '2GiB').replace('1.0.0', '1.1.0');
    expect(await exclusive(undefined, { from: twoServices, to: plain })).toEqual([]);
  });

  it.each([
    ['beside', []],
    ['stop-first', ['back', 'front']],
  ])('does what site.yaml says: %s', async (policy, names) => {
    expect((await exclusive(3, { settings: { switch: policy } })).toSorted()).toEqual(names);
  });

  it('stops nothing that did not change', async () => {
    expect(await exclusive(2, { from: gpus, to: gpus })).toEqual([]);
  });

  it('gives a service without predecessor its room first', async () => {
    const one = `${gpus.slice(0, gpus.indexOf('  - name: back'))}`.replace(
      /\n {4}dependsOn: .*/,
      '',
    );
    expect(await exclusive(3, { from: one, to: next })).toEqual(['front']);
  });
});
