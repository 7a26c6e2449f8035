import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { KubernetesSet, KubernetesWorkload } from '../../../../src/format/kubernetes.ts';
import type { RenderedObject } from '../../../../src/format/rendered-objects.ts';
import {
  applySet,
  repairSet,
  returnSet,
  type SetWork,
} from '../../../../src/target/kubernetes/objects/apply-set.ts';
import { restoreSet, undoSet } from '../../../../src/target/kubernetes/objects/remove-set.ts';
import { ReplacedObjects } from '../../../../src/target/kubernetes/objects/replaced-objects.ts';
import { setState } from '../../../../src/target/kubernetes/objects/set-state.ts';
import { clusterWorkload } from '../../../../src/target/kubernetes/workload.ts';
import { config } from '../../../support/gadget-objects.ts';
import { MemoryCluster } from '../../../support/memory-cluster.ts';
import { type ObjectsOptions, objectsRelease, plain } from '../../../support/objects-release.ts';
import { scratchFolder } from '../../../support/scratch.ts';

const { signal } = new AbortController();
const scratch = scratchFolder(true);
const JOBS = '/apis/batch/v1/namespaces/stowage-gear/jobs';

const job = (name: string, spec: object = {}, more: Partial<RenderedObject> = {}): RenderedObject =>
  plain({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec }, more);
const once = job('once', { ttlSecondsAfterFinished: 0 });

interface Applied {
  readonly workload: KubernetesWorkload;
  readonly set: KubernetesSet;
}

function release(objects: readonly RenderedObject[], options: ObjectsOptions = {}): Applied {
  const workload = clusterWorkload(objectsRelease(objects, options).release);
  const [set] = workload?.sets ?? [];
  if (workload === undefined || set === undefined) throw new Error('no set');
  return { workload, set };
}

function site(cluster = new MemoryCluster()): {
  readonly cluster: MemoryCluster;
  work(of: Applied, other?: Applied): SetWork;
} {
  const folder = scratch.fresh('site');
  mkdirSync(folder);
  const replaced = new ReplacedObjects(folder);
  const work = (of: Applied, other?: Applied): SetWork => ({
    ...{ ...of, api: cluster.api, replaced, warn: () => {} },
    ...(other === undefined ? {} : { other: other.workload }),
  });
  return { cluster, work };
}

describe('when a cluster removes a Job that ended', () => {
  it('is not run again by a repair, by an upgrade that did not change it, or by a return', async () => {
    const { cluster, work } = site();
    const one = release([config({ mode: 'one' }), once]);
    const two = release([config({ mode: 'two' }), once], { version: '1.1.0' });
    await applySet(work(one), signal);
    expect(cluster.objects.get(`${JOBS}/once`)?.spec).toEqual({ ttlSecondsAfterFinished: 600 });
    cluster.objects.delete(`${JOBS}/once`);
    await repairSet(work(one), signal);
    await applySet(work(two, one), signal);
    await undoSet(work(two, one), signal);
    await applySet(work(two, one), signal);
    await returnSet(work(one, two), signal);
    await restoreSet(work(one), signal);
    expect(cluster.requests.filter((each) => each === `PATCH ${JOBS}/once`)).toHaveLength(1);
    expect(await setState(cluster.api, one.workload, one.set, signal)).toEqual({
      ...{ state: 'running', detail: '2 of 2 objects', drift: [] },
    });
  });

  it('is run by an upgrade that changed it', async () => {
    const { cluster, work } = site();
    const one = release([config({ mode: 'one' }), once]);
    await applySet(work(one), signal);
    cluster.objects.delete(`${JOBS}/once`);
    const other = job('once', { ttlSecondsAfterFinished: 0, backoffLimit: 1 });
    await applySet(
      work(release([config({ mode: 'one' }), other], { version: '1.1.0' }), one),
      signal,
    );
    expect(cluster.objects.has(`${JOBS}/once`)).toBe(true);
  });
});

describe('when a webhook is starting', () => {
  it('has hooks applied once it answers', async () => {
    const { cluster, work } = site();
    const hook = job('prepare', {}, { hook: { events: ['pre-install'], weight: 0 } });
    let refusals = 2;
    cluster.before = (request) => {
      if (request !== `PATCH ${JOBS}/prepare` || refusals === 0) return undefined;
      refusals -= 1;
      return { status: 500, message: 'Internal error occurred: failed calling webhook "a.b"' };
    };
    await applySet(work(release([config({ mode: 'one' }), hook])), signal);
    expect(refusals).toBe(0);
    expect(cluster.objects.has(`${JOBS}/prepare`)).toBe(true);
  });
});

describe('when a set has thousands of objects', () => {
  const many = (mode: string, version: string): Applied =>
    release(
      Array.from({ length: 5000 }, (_, at) => config({ mode }, `thing-${at}`)),
      { version },
    );

  it('reads each once before its first write and none while it waits, and restores several at once', async () => {
    const { cluster, work } = site();
    const [one, two] = [many('one', '1.0.0'), many('two', '1.1.0')];
    await applySet(work(one), signal);
    const count = (method: string): number =>
      cluster.requests.filter((each) => each.startsWith(`${method} `)).length;
    expect(count('PATCH')).toBe(5000);
    expect(count('GET')).toBeLessThan(5010);
    await applySet(work(two, one), signal);
    [cluster.atOnce] = [0];
    await undoSet(work(two, one), signal);
    expect(cluster.atOnce).toBe(8);
    expect(cluster.objects.size).toBe(5000);
    expect(new Set([...cluster.objects.values()].map(({ data }) => data.mode))).toEqual(
      new Set(['one']),
    );
  });
});

describe('when a change is killed between two of its writes', () => {
  const foreign = '/api/v1/namespaces/stowage-gear/configmaps/foreign';

  /** A cluster with the first version, and an object of somebody else that the second adopts. */
  async function prepared() {
    const place = site();
    const one = release([config({ mode: 'one' }), config({ mode: 'one' }, 'only-one')]);
    const two = release(
      [
        config({ mode: 'two' }),
        config({ mode: 'two' }, 'only-two'),
        config({ mode: 'two' }, 'foreign'),
        once,
      ],
      { version: '1.1.0', adopt: true },
    );
    await applySet(place.work(one), signal);
    place.cluster.objects.set(foreign, {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', data: { whose: 'theirs' } },
      metadata: {
        ...{ name: 'foreign', namespace: 'stowage-gear', uid: 'x', resourceVersion: '0' },
        managedFields: [
          {
            ...{ manager: 'helm', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1' },
            fieldsV1: { 'f:data': { 'f:whose': {} } },
          },
        ],
      },
    });
    return { ...place, one, two };
  }

  /** Ends a piece of work at a request: before it is sent, or when its answer is lost. @returns how many there were */
  async function killed(
    cluster: MemoryCluster,
    at: number,
    answered: boolean,
    piece: () => Promise<void>,
  ): Promise<number> {
    let requests = 0;
    const end = (): undefined => {
      if (requests > at) throw new Error('killed');
    };
    cluster.before = () => {
      requests += 1;
      return answered ? undefined : end();
    };
    cluster.after = () => void (answered && end());
    await piece().catch((error: unknown) => {
      if (!(error instanceof Error) || error.message !== 'killed') throw error;
    });
    [cluster.before, cluster.after] = [() => undefined, () => {}];
    return requests;
  }

  it.each([
    ['before a request', false],
    ['when its answer is lost', true],
  ])('is undone to what was there, also where the undo is killed: %s', async (_, answered) => {
    const whole = await prepared();
    const apply = await killed(whole.cluster, 10_000, answered, () =>
      applySet(whole.work(whole.two, whole.one), signal),
    );
    expect(whole.cluster.objects.get(foreign).data).toEqual({ mode: 'two' });
    const undo = await killed(whole.cluster, 10_000, answered, () =>
      undoSet(whole.work(whole.two, whole.one), signal),
    );
    expect(Math.min(apply, undo)).toBeGreaterThan(8);
    for (let at = 0; at < Math.max(apply, undo); at += 1) {
      const { cluster, work, one, two } = await prepared();
      const before = cluster.content();
      await killed(cluster, at, answered, () => applySet(work(two, one), signal));
      await killed(cluster, at, answered, () => undoSet(work(two, one), signal));
      await undoSet(work(two, one), signal);
      expect(cluster.content(), `request ${at}`).toEqual(before);
      expect(cluster.objects.get(foreign).metadata.managedFields, `${at}`).toMatchObject([
        { manager: 'helm', operation: 'Update' },
      ]);
    }
  });
});
