import { describe, expect, it } from 'vitest';
import { interrupted } from '../../../src/core/error.ts';
import { podUse } from '../../../src/target/kubernetes/pod-use.ts';

const { signal } = new AbortController();
const labels = { 'stowage.dev/release': 'chat', 'stowage.dev/specification': 'chat-1' };

/** As metrics-server 0.8 answers. */
const metrics = (...pods: readonly (readonly { cpu: string; memory: string }[])[]): string =>
  JSON.stringify({
    kind: 'PodMetricsList',
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: {},
    items: pods.map((containers, index) => ({
      metadata: { name: `chat-${index}`, namespace: 'models', labels },
      timestamp: '2026-11-30T00:00:00Z',
      window: '15.2s',
      containers: containers.map((usage, at) => ({ name: `c${at}`, usage })),
    })),
  });

function asked(status: number, text: string) {
  const paths: string[] = [];
  const cluster = {
    text: async (path: string) => {
      paths.push(path);
      return { status, text };
    },
  };
  return { paths, used: () => podUse(cluster, { namespace: 'models', labels }, signal) };
}

describe('what the pods of a service use', () => {
  it.each([
    ['one pod', metrics([{ cpu: '1500m', memory: '2Gi' }]), 1.5, 2 * 2 ** 30],
    [
      'in nanoprocessors',
      metrics([{ cpu: '13652137n', memory: '10240Ki' }]),
      0.013652137,
      10485760,
    ],
    [
      'replicas and sidecars together',
      metrics(
        [{ cpu: '1', memory: '1Gi' }],
        [
          { cpu: '250m', memory: '1Gi' },
          { cpu: '250m', memory: '1Mi' },
        ],
      ),
      1.5,
      2 * 2 ** 30 + 2 ** 20,
    ],
  ])('is the sum of its containers: %s', async (_, body, cpus, memoryBytes) => {
    const { paths, used } = asked(200, body);
    const found = await used();
    expect(found.cpus).toBeCloseTo(cpus, 9);
    expect(found).toEqual({ cpus: found.cpus, memoryBytes });
    expect(paths.map((each) => decodeURIComponent(each))).toEqual([
      '/apis/metrics.k8s.io/v1beta1/namespaces/models/pods?labelSelector=stowage.dev/release=chat,stowage.dev/specification=chat-1',
    ]);
  });

  it.each([
    ['has none', 404, '404 page not found\n', /has no pod metrics \(metrics\.k8s\.io/],
    ['does not allow it', 403, '{"kind":"Status"}', /may not list pods of metrics\.k8s\.io/],
    ['has a metrics-server that is down', 503, '{"kind":"Status"}', /do not answer/],
    ['does not answer', 0, '', /do not answer/],
    ['has not measured them yet', 200, metrics(), /no metrics of its pods yet/],
    ['answers something else', 200, '<html>', /no metrics of its pods yet/],
    ['answers a list of something else', 200, '{"items":[1,{"containers":2}]}', /no metrics/],
  ])('is unknown, with the reason, if the cluster %s', async (_, status, body, reason) => {
    expect(await asked(status, body).used()).toEqual({ unknown: expect.stringMatching(reason) });
  });

  /** As the API server does while metrics-server accepts connections and hangs. */
  const hanging = {
    text: (_: string, aborted: AbortSignal) =>
      new Promise<never>((_, fail) => {
        aborted.addEventListener('abort', () => fail(interrupted(aborted)), { once: true });
      }),
  };

  it('is unknown, with the reason, if the cluster accepts the question and does not answer', async () => {
    const found = await podUse(hanging, { namespace: 'models', labels }, signal);
    expect(found).toEqual({ unknown: expect.stringMatching(/do not answer/) });
  });

  it('is not waited for once the command is interrupted', async () => {
    const command = new AbortController();
    const use = podUse(hanging, { namespace: 'models', labels }, command.signal);
    command.abort();
    await expect(use).rejects.toMatchObject({ code: 'interrupted' });
  });
});
