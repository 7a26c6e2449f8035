import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assertNoWayOut } from '../lab/airgap.ts';
import { mountsBelow } from '../lab/engine.ts';
import { capture, end, run, start, until } from '../lab/process.ts';
import { pushLayout, type Registry } from '../lab/registry.ts';
import { tinyImage } from '../lab/tiny-image.ts';
import {
  noCluster,
  skipWithoutLab,
  startTestCluster,
  type TestCluster,
} from '../support/kubernetes-lab.ts';

// The cluster of the lab by itself: what the tests of the target rely on.
const UP = join(import.meta.dirname, '../lab/kubernetes/up.ts');
const NAMESPACE = 'lab';
const GPU = 'nvidia.com/gpu';
const CREDENTIALS = { username: 'nodes', password: 'lab' };
const BASIC = Buffer.from(`${CREDENTIALS.username}:${CREDENTIALS.password}`).toString('base64');

let dir: string;
let cluster: TestCluster;
let registry: Registry;
let digest: string;

const lab = (): NonNullable<TestCluster['lab']> => {
  if (cluster.lab === undefined) throw new Error('not the cluster of the lab');
  return cluster.lab;
};
const inside = (...args: readonly string[]): Promise<string> =>
  cluster.kubectl('--namespace', NAMESPACE, ...args);

beforeAll(async () => {
  if (noCluster !== undefined) return;
  dir = mkdtempSync(join(tmpdir(), 'kubernetes-lab-'));
  cluster = await startTestCluster({ nodes: 2 });
  if (cluster.lab === undefined) return;
  const { certificate, key } = await lab().serverCertificate('registry');
  registry = await lab().registry({ tls: { certificate, key }, htpasswd: CREDENTIALS });
  const image = await tinyImage(join(dir, 'image'));
  const reference = `${registry.host}/demo/weights:1`;
  digest = await pushLayout(image.layout, image.tag, reference, { credentials: CREDENTIALS });
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await lab().apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels } });
  // Without it, the API server refuses pods.
  await inside('wait', '--for=create', 'serviceaccount/default', '--timeout=30s');
});

beforeEach((test) => {
  skipWithoutLab(test, cluster?.lab);
});

afterAll(async () => {
  await cluster?.stop();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

interface PodOptions {
  readonly name: string;
  /** Default: any. */
  readonly node?: string;
  readonly gpus?: number;
  /** The image mounted as the folder `/weights`. */
  readonly volume?: string;
}

/** A pod as `restricted` allows it. */
function pod({ name, node, gpus, volume }: PodOptions): object {
  const volumes = volume && [{ name: 'weights', image: { reference: volume } }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      ...(node && { nodeName: node }),
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'pod',
          image: 'stowage.lab/pod:1',
          imagePullPolicy: 'Never',
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          ...(gpus && { resources: { limits: { [GPU]: gpus } } }),
          ...(volumes && { volumeMounts: [{ name: 'weights', mountPath: '/weights' }] }),
        },
      ],
      ...(volumes && { volumes }),
    },
  };
}

async function ready(name: string): Promise<void> {
  await inside('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s');
}

describe('the cluster of the lab', () => {
  it('mounts an image from a registry with TLS and a password into a restricted pod on every node', async () => {
    const ca = lab().ca.certificate;
    lab().registries.mirror({
      ...{ address: registry.host, ca },
      headers: { Authorization: `Basic ${BASIC}` },
    });
    for (const { name } of lab().nodes) {
      const volume = `vendor.example/demo/weights@${digest}`;
      await lab().apply(pod({ name: `mounts-${name}`, node: name, volume }));
      await ready(`mounts-${name}`);
      const content = await inside('exec', `mounts-${name}`, '--', 'cat', '/weights/hello');
      expect(content).toBe('hello from amd64\n');
    }
    expect(registry.log()).toContain('/v2/demo/weights/blobs/');
  });

  it('refuses an image once no rule and no authority lead to its registry', async () => {
    lab().registries.clear();
    const volume = `${registry.host}/demo/weights@${digest}`;
    await lab().apply(pod({ name: 'untrusted', node: 'n1', volume }));
    const message = await until('the event of a failed pull', 60, async () => {
      const events = await inside('get', 'events', '--output=jsonpath={.items[*].message}');
      return /x509[^"]*/.exec(events)?.[0];
    });
    expect(message).toContain('certificate signed by unknown authority');
    await inside('delete', 'pod', 'untrusted', '--wait=false');
  });

  it('gives neither pods nor nodes a way out, and lets pods reach the host and one another', async () => {
    for (const { name, enter } of lab().nodes) {
      await assertNoWayOut(enter);
      await lab().apply(pod({ name: `asks-${name}`, node: name }));
      await ready(`asks-${name}`);
    }
    const get = (url: string) =>
      cluster.tryKubectl('exec', '-n', NAMESPACE, 'asks-n1', '--', 'pod', 'get', url);
    expect((await get('http://192.0.2.1/')).stderr).toMatch(/unreachable|no route to host/);
    const unsigned = await get(`https://${registry.host}/v2/`);
    expect(unsigned.stderr).toContain('certificate signed by unknown authority');
    const address = await inside('get', 'pod', 'asks-n2', '--output=jsonpath={.status.podIP}');
    expect((await get(`http://${address}:9/`)).stderr).toContain('connection refused');
  });

  it('schedules one of two pods where the nodes have one GPU', async () => {
    await lab().setExtendedResource('n2', GPU, 1);
    await lab().apply(pod({ name: 'first', gpus: 1 }));
    await ready('first');
    const node = await inside('get', 'pod', 'first', '--output=jsonpath={.spec.nodeName}');
    expect(node).toBe('n2');
    await lab().apply(pod({ name: 'second', gpus: 1 }));
    const condition = '{.status.conditions[?(@.type=="PodScheduled")].message}';
    const message = await until('the refusal of the scheduler', 30, async () => {
      const found = await inside('get', 'pod', 'second', `--output=jsonpath=${condition}`);
      return found === '' ? undefined : found;
    });
    expect(message).toContain(`Insufficient ${GPU}`);
  });

  it('keeps its objects and its pods while the API server is killed and started again', async () => {
    await lab().stopApiServer();
    expect(await cluster.tryKubectl('get', 'nodes')).toMatchObject({ status: 1 });
    await lab().startApiServer();
    const phase = await inside('get', 'pod', 'asks-n1', '--output=jsonpath={.status.phase}');
    expect(phase).toBe('Running');
  });

  it('loses a node whose kubelet stands still, and finds it again', async () => {
    const status = async (): Promise<string> =>
      cluster.kubectl(
        ...['get', 'node', 'n2'],
        '--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}',
      );
    const [, node] = lab().nodes;
    node?.pauseKubelet();
    await until('the loss of n2', 60, async () => (await status()) === 'Unknown' || undefined);
    node?.resumeKubelet();
    await until('the return of n2', 60, async () => (await status()) === 'True' || undefined);
  });

  it('leaves nothing of a run that was killed once the next one has cleared it', async () => {
    const killed = await start(process.execPath, [UP, '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = killed.stdout && (await once(killed.stdout, 'data'));
    const folder = /KUBECONFIG=(\S+)\/admin\.conf/.exec(String(said))?.[1] ?? '';
    expect(folder).not.toBe(lab().folder);
    const name = `stowage-kube${folder.at(-1)}`;
    const left = async (): Promise<string[]> => {
      const network = (await run('ip', ['-oneline', 'link'])) + (await run('ip', ['netns']));
      return [
        ...network.split('\n').filter((line) => line.includes(name)),
        ...globSync(`/sys/fs/cgroup/{${name},*/${name}}`),
        ...mountsBelow(folder),
        ...(existsSync(folder) ? [folder] : []),
      ];
    };
    const there = (...args: readonly string[]) =>
      capture(join(lab().programs, 'kubectl'), ['--kubeconfig', `${folder}/admin.conf`, ...args]);
    const created = ['run', 'left', '--image=stowage.lab/pod:1', '--image-pull-policy=Never'];
    await until(
      'the first pod',
      30,
      async () => (await there(...created)).status === 0 || undefined,
    );
    await there('wait', '--for=condition=Ready', 'pod/left', '--timeout=30s');
    await end(killed, 'SIGKILL');
    expect(await left()).not.toEqual([]);
    await run(process.execPath, [UP, 'clear']);
    expect(await left()).toEqual([]);
    expect(await cluster.kubectl('get', 'nodes')).toContain('n1');
  });
});
