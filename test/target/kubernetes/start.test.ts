import { describe, expect, it } from 'vitest';
import type { Cluster, Selection } from '../../../src/target/kubernetes/api/cluster.ts';
import { Outages } from '../../../src/target/kubernetes/api/outages.ts';
import { startService } from '../../../src/target/kubernetes/start.ts';
import { expectCode } from '../../support/error.ts';
import { bundleFrom, twoServices, workload } from './rendered.ts';

const { signal } = new AbortController();
const spanning = twoServices.replace(
  '    mounts:',
  '    nodes: { count: 2, ports: [29500], worker: { args: [] } }\n    mounts:',
);

/** A pod of a group whose process ended, and which its controller deletes for that. */
function ended(uid: number, exitCode: number): object {
  const terminated = { exitCode, reason: 'Error', message: 'no leader\n' };
  return {
    metadata: { name: 'back-0-1', uid: String(uid), deletionTimestamp: '2026-11-29T10:00:00Z' },
    status: { containerStatuses: [{ state: { terminated } }] },
  };
}

describe('when the pods of a service end while it starts', () => {
  it('gives the reason of the last one, although each is replaced by another', async () => {
    let uid = 0;
    const cluster = {
      outages: new Outages(),
      get: async () => ({
        spec: { clusterIP: '10.96.0.9' },
        status: { conditions: [{ type: 'Progressing', status: 'True' }] },
      }),
      apply: async () => ({}),
      async *list({ kind }: Selection) {
        if (kind !== 'Pod') return;
        uid += 1;
        yield ended(uid, uid);
      },
    } as unknown as Cluster;
    const whole = workload(bundleFrom(spanning));
    const [service] = whole.services;
    if (service === undefined) throw new Error('no service');
    const error = await expectCode(
      () => startService({ cluster, workload: whole, service }, signal),
      'gate-failed',
    );
    expect(error.found).toMatch(/exits again and again: exit code [3-9]: no leader/);
  });
});

describe('when someone edited the object of a service', () => {
  /** The pod of one generation of an object, as its controller made it. */
  const podOf = (generation: number): object => ({
    metadata: { name: `back-${generation}`, uid: `of-${generation}` },
    status: { containerStatuses: [{ state: { running: { startedAt: '2026-11-29T10:00:00Z' } } }] },
  });

  /** A cluster whose controller replaces the pods only after so many looks at them. */
  function lateCluster(kind: 'Deployment' | 'LeaderWorkerSet', looks: number, edited: object) {
    let generation = 1;
    let left = looks;
    let running = podOf(1);
    const madeOf = (template: object): object =>
      kind === 'Deployment' ? { template, replicas: 1 } : { leaderWorkerTemplate: template };
    const found = (): object => ({
      metadata: { generation },
      spec: generation === 1 ? madeOf(edited) : madeOf({ of: 'the release' }),
      status: { observedGeneration: left > 0 ? 1 : 2, updatedReplicas: 1, readyReplicas: 1 },
    });
    const cluster = {
      outages: new Outages(),
      get: async (place: Selection) =>
        place.kind === 'Service' ? { spec: { clusterIP: '10.96.0.9' } } : found(),
      async apply() {
        generation = 2;
        return found();
      },
      async *list({ kind: listed }: Selection) {
        if (listed !== 'Pod') return;
        if (generation === 2) left -= 1;
        if (left === 0) running = podOf(2);
        yield running;
        if (kind === 'LeaderWorkerSet') yield running;
      },
    } as unknown as Cluster;
    return { cluster, running: () => running };
  }

  it.each([
    ['Deployment', twoServices],
    ['LeaderWorkerSet', spanning],
  ] as const)('waits until the controller of its %s has replaced the pods', async (kind, text) => {
    const { cluster, running } = lateCluster(kind, 3, { of: 'someone else' });
    const whole = workload(bundleFrom(text));
    const service = whole.services.find(({ deployment }) => deployment.kind === kind);
    if (service === undefined) throw new Error('no service');
    await startService({ cluster, workload: whole, service }, signal);
    expect(running()).toEqual(podOf(2));
  });

  it('does not wait for pods that a change of their number leaves alone', async () => {
    const { cluster, running } = lateCluster('LeaderWorkerSet', 9, { of: 'the release' });
    const whole = workload(bundleFrom(spanning));
    const [service] = whole.services;
    if (service === undefined) throw new Error('no service');
    await startService({ cluster, workload: whole, service }, signal);
    expect(running()).toEqual(podOf(1));
  });
});
