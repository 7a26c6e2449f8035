import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RenderedObject } from '../../src/format/rendered-objects.ts';
import { createKubernetesTarget } from '../../src/target/kubernetes/kubernetes.ts';
import type { Target } from '../../src/target/target.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { changeCluster } from '../support/cluster-change.ts';
import { noCluster, skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { type ObjectsRelease, objectsRelease, plain } from '../support/objects-release.ts';
import { clusterSite, generationOf } from '../target/kubernetes/rendered.ts';

// What a real API server refuses to change back of objects that a release adopted, and how they are given back all the same.
const NAMESPACE = 'shop';
const IMAGE = 'stowage.lab/pod:1';
const work = mkdtempSync(join(tmpdir(), 'kubernetes-adoption-'));
const settings = clusterSite({ namespace: NAMESPACE });
let cluster: Cluster;
let target: Target;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  const { kubeconfig } = cluster;
  target = createKubernetesTarget({
    ...{ env: {}, root: work },
    settings: async () => clusterSite({ namespace: NAMESPACE, kubeconfig }),
  });
  await cluster.kubectl('create', 'namespace', NAMESPACE);
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

const pod = (app: string) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'main', image: IMAGE, imagePullPolicy: 'Never' }] },
});

/** What somebody has, and with other values what the release has in its place. */
function objectsWith(storage: string, mode: string): object[] {
  const metadata = (name: string) => ({ name, labels: { mode } });
  return [
    {
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: metadata('data') },
      spec: {
        ...{ accessModes: ['ReadWriteOnce'], storageClassName: 'static' },
        resources: { requests: { storage } },
      },
    },
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: metadata('door') },
      spec: { selector: { app: mode }, ports: [{ port: mode === 'before' ? 80 : 81 }] },
    },
    {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata('settings') },
      data: { mode },
      ...(mode === 'before' ? {} : { immutable: true }),
    },
    {
      ...{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('store') },
      spec: {
        ...{ replicas: 0, serviceName: 'door', selector: { matchLabels: { app: 'store' } } },
        minReadySeconds: mode === 'before' ? 1 : 2,
        template: pod('store'),
      },
    },
    {
      ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('work') },
      spec: {
        ...{ suspend: true, backoffLimit: mode === 'before' ? 1 : 2 },
        template: { spec: { ...pod('work').spec, restartPolicy: 'Never' } },
      },
    },
  ];
}

const storage: readonly object[] = [
  {
    ...{ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'static' } },
    ...{ provisioner: 'kubernetes.io/no-provisioner', allowVolumeExpansion: true },
  },
  {
    ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'data' } },
    spec: {
      ...{
        capacity: { storage: '5Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'static',
      },
      ...{ persistentVolumeReclaimPolicy: 'Retain', nfs: { server: '127.0.0.1', path: '/data' } },
    },
  },
];

async function create(items: readonly object[]): Promise<void> {
  const file = join(work, 'objects.json');
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await cluster.kubectl('create', '--namespace', NAMESPACE, '--filename', file);
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function get(kind: string, name: string): Promise<any> {
  const of = [
    'get',
    kind,
    name,
    '--namespace',
    NAMESPACE,
    '--output=json',
    '--show-managed-fields',
  ];
  return JSON.parse(await cluster.kubectl(...of));
}

const generation = (number: number, { release }: ObjectsRelease) => generationOf(number, release);

describe('when adopted objects cannot become what they were', () => {
  const adopting = (): ObjectsRelease => {
    const objects = objectsWith('3Gi', 'after').map((each): RenderedObject => plain(each));
    return objectsRelease(objects, { adopt: true, settings });
  };

  it('gives them back without what the cluster refuses, and says what that is', async () => {
    await create([...storage, ...objectsWith('1Gi', 'before')]);
    await cluster.kubectl(
      ...['wait', '--namespace', NAMESPACE, '--for=jsonpath={.status.phase}=Bound'],
      ...['persistentvolumeclaim/data', '--timeout=60s'],
    );
    const release = adopting();
    const one = generation(1, release);
    const installed = await changeCluster(target, { from: generationOf(0), to: one });
    expect(installed.failure).toBeUndefined();
    expect((await get('pvc', 'data')).spec.resources.requests.storage).toBe('3Gi');
    // A Service that somebody deletes has another address when a repair makes it again, and a Job another selector.
    await cluster.kubectl('delete', 'service,statefulset,job', '--all', '--namespace', NAMESPACE);
    const repairs = [{ release: 'gear', service: 'things', running: false, reason: 'drift' }];
    const repaired = await changeCluster(target, { from: one, to: one, repairs });
    expect(repaired.failure).toBeUndefined();
    const uninstall = { from: one, to: generationOf(2) };
    const { failure, warnings } = await changeCluster(target, {
      intent: 'uninstall',
      ...uninstall,
    });
    expect(failure).toBeUndefined();
    const claim = await get('pvc', 'data');
    expect(claim.spec.resources.requests.storage).toBe('3Gi');
    const all = [
      claim,
      await get('service', 'door'),
      await get('configmap', 'settings'),
      await get('statefulset', 'store'),
      await get('job', 'work'),
    ];
    for (const { kind, metadata } of all) {
      expect(metadata.labels, kind).toMatchObject({ mode: 'before' });
      expect(JSON.stringify(metadata.labels), kind).not.toContain('stowage');
      const managers = metadata.managedFields.map((each: { manager: string }) => each.manager);
      expect(managers, kind).not.toContain('stowage');
    }
    const [, service, config, set, job] = all;
    expect(service.spec.ports).toMatchObject([{ port: 80 }]);
    expect(config).toMatchObject({ data: { mode: 'after' }, immutable: true });
    expect(set.spec.minReadySeconds).toBe(1);
    expect(job.spec.backoffLimit).toBe(1);
    const said = warnings.join('\n');
    expect(said).toContain(
      'PersistentVolumeClaim shop/data was restored, except for spec.resources.requests.storage',
    );
    expect(said).toMatch(/ConfigMap shop\/settings was restored, except for .*data/);
  });
});
