import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import type { LiveService } from '../../src/site/live/live-status.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { type MetricsServer, startMetricsServer } from '../lab/kubernetes/metrics-server.ts';
import { START_SECONDS, until } from '../lab/process.ts';
import { startUpstream } from '../lab/upstream.ts';
import { askWithoutPause } from '../support/asking-client.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { LONG, noCluster, skipWithoutLongLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { connectedSide, demoManifest } from './connected.ts';

// Two replicas that answer without pause, and a metrics-server that comes, hangs and goes.

const NAMESPACE = 'stowage-tiny-chat';
const API = 'v1beta1.metrics.k8s.io';
const PODS = `/apis/metrics.k8s.io/v1beta1/namespaces/${NAMESPACE}/pods`;
const SERVICE = '  clients: [default]\n  service: NodePort\n';
const work = mkdtempSync(join(tmpdir(), 'kubernetes-live-'));
let cluster: Cluster;
let site: ClusterSite;
let metrics: MetricsServer | undefined;

beforeAll(async () => {
  if (!LONG) return;
  if (noCluster !== undefined) return;
  const upstream = await startUpstream(join(work, 'upstream'));
  let first: string;
  let side: Awaited<ReturnType<typeof connectedSide>>;
  try {
    side = await connectedSide(work, upstream);
    const shape = 'replicas: 2\n    spread: [kubernetes.io/hostname]\n    requests: { cpus: 0.05 }';
    const manifest = demoManifest(upstream, 8080).replace(
      '    memory: 1GiB',
      `    memory: 1GiB\n    ${shape}`,
    );
    first = await side.release(manifest, 'one', '--no-installer');
  } finally {
    await upstream.stop();
  }
  const lab = await startLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const folder = join(work, 'plant');
  site = await startClusterSite({ folder, cluster, side, port: 5443, first, more: SERVICE });
  await site.must('install', 'tiny-chat@1.0.0');
});

beforeEach((test) => {
  skipWithoutLongLab(test, cluster);
});

afterAll(async () => {
  await metrics?.stop();
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** What `status --live` says of the only service, which is ready whatever becomes of its metrics. */
async function live(): Promise<LiveService> {
  const { json } = await site.must('status', '--live');
  expect(json.services).toMatchObject([{ service: 'server', phase: 'ready', detail: '' }]);
  return json.services[0];
}

async function liveText(): Promise<string> {
  return (await site.runWith({ text: true }, 'status', '--live')).stdout.replace(/\s+/g, ' ');
}

/** A service whose use is unknown, in both forms. */
async function expectUnknown(reason: string): Promise<void> {
  const found = await live();
  expect(found.useUnknown).toContain(reason);
  expect([found.memoryBytes, found.cpus]).toEqual([undefined, undefined]);
  expect(await liveText()).toContain(`memory and CPU unknown: ${found.useUnknown}`);
}

/** When metrics-server measured each pod last. */
async function measuredAt(): Promise<string[]> {
  const { status, stdout } = await cluster.tryKubectl('get', '--raw', PODS);
  if (status !== 0) return [];
  return JSON.parse(stdout)
    .items.map((each: { timestamp: string }) => each.timestamp)
    .toSorted();
}

/** What `read` gives if metrics-server measured nothing meanwhile. */
function ofOneMeasurement<T>(read: () => Promise<T>): Promise<T> {
  return until('two readings of the same metrics', START_SECONDS, async () => {
    const before = await measuredAt();
    const found = await read();
    const same = JSON.stringify(before) === JSON.stringify(await measuredAt());
    return before.length === 2 && same ? found : undefined;
  });
}

interface Use {
  /** Processors in use, or seconds of processors used. */
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** The sums of what kubectl says of the pods: thousandths of processors rounded up, MiB rounded down. */
async function topPods(): Promise<Use> {
  const lines = await cluster.kubectl('top', 'pods', '--namespace', NAMESPACE, '--no-headers');
  const pods = [...lines.matchAll(/^\S+ +(\d+)m +(\d+)Mi *$/gm)];
  expect(pods, lines).toHaveLength(2);
  const sum = (column: number): number =>
    pods.reduce((total, pod) => total + Number(pod[column]), 0);
  return { cpus: sum(1) / 1000, memoryBytes: sum(2) * MIB };
}

/** The sums of what the kubelets count of the containers, with the time in seconds. */
async function counted(): Promise<Use & { readonly at: number }> {
  const texts = await Promise.all(
    cluster.nodes.map(({ name }) =>
      cluster.kubectl('get', '--raw', `/api/v1/nodes/${name}/proxy/metrics/resource`),
    ),
  );
  const sums = (metric: string): { readonly value: number; readonly at: number } => {
    const line = new RegExp(`^${metric}\\{.*namespace="${NAMESPACE}".*\\} (\\S+) (\\d+)$`, 'gm');
    const found = texts.flatMap((text) => [...text.matchAll(line)]);
    expect(found, texts.join('\n')).toHaveLength(2);
    const sum = (column: number): number =>
      found.reduce((total, each) => total + Number(each[column]), 0);
    return { value: sum(1), at: sum(2) / found.length / 1000 };
  };
  const { value: cpus, at } = sums('container_cpu_usage_seconds_total');
  return { cpus, memoryBytes: sums('container_memory_working_set_bytes').value, at };
}

describe('when the services of a cluster are shown live', () => {
  it('says that a cluster without metrics-server has no pod metrics', async () => {
    await expectUnknown('the cluster has no pod metrics');
  });

  it('shows memory and processors of the pods as metrics-server measured them', async () => {
    metrics = await startMetricsServer(cluster);
    const body = JSON.stringify({ model: 'tiny', prompt: 'hello', max_tokens: 200 });
    const question = {
      ...(await clientAddress(cluster, NAMESPACE)),
      path: '/v1/completions',
      body,
    };
    const client = askWithoutPause(question);
    try {
      // Two measurements of the time since the first question.
      const began = Date.now();
      await until('metrics of both pods under load', START_SECONDS, async () => {
        const times = await measuredAt();
        const loaded = times.filter((each) => Date.parse(each) > began + 30_000);
        return loaded.length === 2 || undefined;
      });
      const [before, { found, text, top }] = [
        await counted(),
        await ofOneMeasurement(async () => ({
          found: await live(),
          text: await liveText(),
          top: await topPods(),
        })),
      ];
      const { cpus = 0, memoryBytes = 0, useUnknown } = found;
      expect(useUnknown).toBeUndefined();
      expect(cpus).toBeGreaterThan(top.cpus - 0.0021);
      expect(cpus).toBeLessThanOrEqual(top.cpus);
      expect(memoryBytes).toBeGreaterThanOrEqual(top.memoryBytes);
      expect(memoryBytes).toBeLessThan(top.memoryBytes + 2 * MIB);
      expect(text).toContain(`memory ${(memoryBytes / MIB).toFixed(1)} MiB`);
      expect(text).toContain(`CPU ${cpus.toFixed(2)} cores`);
      const after = await until('later counts of the kubelets', START_SECONDS, async () => {
        const later = await counted();
        return later.at > before.at + 20 ? later : undefined;
      });
      const used = (after.cpus - before.cpus) / (after.at - before.at);
      console.log(
        `status --live: ${cpus.toFixed(3)} cores, ${memoryBytes} bytes; kubectl top: ${top.cpus} cores, ${top.memoryBytes} bytes; kubelets: ${used.toFixed(3)} cores, ${after.memoryBytes} bytes`,
      );
      // The load changes with what else the machine does.
      expect(cpus / used).toBeGreaterThan(0.33);
      expect(cpus / used).toBeLessThan(3);
      expect(memoryBytes / after.memoryBytes).toBeGreaterThan(0.75);
      expect(memoryBytes / after.memoryBytes).toBeLessThan(1.33);
    } finally {
      await client.stop();
    }
  });

  it('says that an account may not list them, until it has the right that metrics-server brings', async () => {
    const kubeconfig = await cluster.account('operator', '/CN=operator');
    site.configure({ kubeconfig, more: SERVICE });
    try {
      await cluster.apply(...(await site.must('doctor', '--role')).json.objects);
      await expectUnknown('this account may not list pods of metrics.k8s.io');
      const role = '--clusterrole=system:aggregated-metrics-reader';
      await cluster.kubectl('create', 'clusterrolebinding', 'metrics', role, '--user=operator');
      expect((await live()).memoryBytes).toBeGreaterThan(MIB);
    } finally {
      site.configure({ more: SERVICE });
    }
  });

  it('does not wait for a metrics-server that accepts connections and answers nothing', async () => {
    metrics?.pause();
    try {
      await expectUnknown('do not answer');
    } finally {
      metrics?.resume();
    }
    await until(
      'an answer',
      START_SECONDS,
      async () => (await measuredAt()).length === 2 || undefined,
    );
    expect((await live()).memoryBytes).toBeGreaterThan(MIB);
  });

  it('says that pod metrics do not answer while metrics-server is down', async () => {
    await metrics?.stop();
    await expectUnknown('do not answer');
    // By then the API server no longer tries it.
    const condition = '--for=condition=Available=False';
    await cluster.kubectl('wait', condition, '--timeout=180s', 'apiservice', API);
    await expectUnknown('do not answer');
  });

  it('names the API of metrics-server when an uninstall waits for it, and goes on without it', async () => {
    const { status, json } = await site.run('uninstall', 'tiny-chat');
    expect([status, json.error.found]).toEqual([1, expect.stringContaining('metrics.k8s.io')]);
    await cluster.kubectl('delete', 'apiservice', API);
    await site.must('install', 'tiny-chat@1.0.0');
    await expectUnknown('the cluster has no pod metrics');
  });
});
