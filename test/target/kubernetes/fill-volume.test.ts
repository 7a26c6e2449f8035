import { describe, expect, it } from 'vitest';
import type { KubernetesObject } from '../../../src/format/kubernetes.ts';
import type { Cluster, Named, Selection } from '../../../src/target/kubernetes/api/cluster.ts';
import { clearVolume, fillVolume, jobFailure } from '../../../src/target/kubernetes/fill-volume.ts';
import type { Pod } from '../../../src/target/kubernetes/pods.ts';
import { expectCode } from '../../support/error.ts';
import { clusterSite, worked, workload } from './rendered.ts';

const running = { status: { active: 1 } };
const ended = { status: { conditions: [{ type: 'Failed', status: 'True' }] } };
const pod = (values: Partial<Pod> = {}): Pod => ({
  ...{ name: 'fill-1', ready: false, deleted: false, restarts: 0, container: 'fill' },
  ...values,
});
const end = (message: string): Pod => pod({ ended: { reason: 'Error', exitCode: 1, message } });

describe('when a Job that fills a volume is not complete', () => {
  it.each<[string, object | undefined, Pod | undefined, RegExp, boolean]>([
    ['was deleted by hand', undefined, undefined, /somebody removed the Job/, false],
    ['gets no pod, as a quota is used up', running, undefined, /creates no pod/, true],
    [
      'has a pod that cannot pull',
      running,
      pod({ waiting: { reason: 'ErrImagePull', message: 'x: not found' } }),
      /no such image/,
      false,
    ],
    ['ended on a full disk', ended, end('cp: No space left on device'), /is full/, false],
    ['ended without a pod to ask', ended, undefined, /without a message/, false],
  ])('says why: it %s', (_, job, of, found, mayPass) => {
    const failure = jobFailure(job as never, of, {});
    expect(failure?.found).toMatch(found);
    expect(failure?.mayPass).toBe(mayPass);
  });

  it('waits while a pod runs, and while the Job does not know yet that it ended', () => {
    expect(jobFailure(running, pod({ runningSince: '2026-01-01T00:00:00Z' }), {})).toBeUndefined();
    expect(jobFailure(running, end('done'), {})).toBeUndefined();
  });
});

describe('when a Job cannot run at all', () => {
  const settings = { weights: 'volume', claim: 'shared', namespace: 'models', fill: {} };
  const filled = workload(worked('demo.yaml'), clusterSite(settings));
  const { signal } = new AbortController();
  const refusal = { status: 403, reason: '', message: 'exceeded quota: team', causes: [] };

  /** A cluster with the claim, which refuses Jobs or never pulls the image of their pods. */
  function clusterThat(refuses: boolean): {
    cluster: Cluster;
    jobs: Map<string, KubernetesObject>;
  } {
    const jobs = new Map<string, KubernetesObject>();
    const found = ({ kind, name }: Named): object | undefined =>
      kind === 'Job' ? jobs.get(name) : { metadata: { name } };
    const waiting = { reason: 'ErrImagePull', message: 'tools@sha256:1: not found' };
    const fake = {
      get: async (named: Named) => found(named),
      tryGet: async (named: Named) => ({ object: found(named) }),
      async tryApply(job: KubernetesObject) {
        if (refuses) return { failure: refusal };
        jobs.set(job.metadata.name, job);
        return { object: job };
      },
      async *list({ kind }: Selection) {
        if (kind === 'Pod' && jobs.size > 0)
          yield {
            metadata: { name: 'p' },
            status: { containerStatuses: [{ state: { waiting } }] },
          };
      },
      remove: async ({ name }: Named) => void jobs.delete(name),
    };
    return { cluster: fake as unknown as Cluster, jobs };
  }

  it.each([
    ['its image is gone', false, /the registry has no such image$/],
    ['a quota refuses it', true, /exceeded quota: team$/],
  ])('says which content may remain, and does not fail: %s', async (_, refuses, reason) => {
    const { cluster, jobs } = clusterThat(refuses);
    const said: string[][] = [];
    const warn = (...text: string[]): void => void said.push(text);
    await clearVolume({ cluster, workload: filled, warn }, signal);
    expect(said).toEqual([
      [expect.stringMatching(reason), expect.stringMatching(/delete the folder$/)],
    ]);
    expect(said[0]?.[0]).toContain(`claim models/shared, in folder ${filled.fill?.folder}`);
    expect(jobs.size).toBe(0);
  });

  it('removes the Job that clears the volume, which a killed command left, before it fills the volume', async () => {
    const { cluster, jobs } = clusterThat(false);
    const { clear } = filled.fill ?? {};
    if (clear === undefined) throw new Error('the claim of the owner is cleared by a Job');
    jobs.set(clear.metadata.name, clear);
    const applied: string[][] = [];
    const tryApply = async (job: KubernetesObject) => {
      applied.push([...jobs.keys()]);
      return cluster.tryApply(job, signal);
    };
    const watched = { ...cluster, tryApply } as unknown as Cluster;
    await expectCode(
      () => fillVolume({ cluster: watched, workload: filled }, signal),
      'gate-failed',
    );
    expect(applied).toEqual([[]]);
  });

  it.each([
    ['its image is gone', false, /no such image/],
    ['a quota refuses it', true, /exceeded quota/],
  ])('fails where the content is needed: %s', async (_, refuses, reason) => {
    const { cluster, jobs } = clusterThat(refuses);
    const error = await expectCode(
      () => fillVolume({ cluster, workload: filled }, signal),
      'gate-failed',
    );
    expect(error.found).toMatch(reason);
    expect(jobs.size).toBe(0);
  });
});
