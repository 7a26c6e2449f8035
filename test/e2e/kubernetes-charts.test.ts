import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readChart } from '../../src/build/objects/chart-files.ts';
import { nameImages, placeImages, referencesOf } from '../../src/build/objects/place-images.ts';
import { renderForSites } from '../../src/build/objects/render.ts';
import { parseDigest } from '../../src/core/digest.ts';
import type { KubernetesObject } from '../../src/format/kubernetes.ts';
import { powersOf, type RenderedObject } from '../../src/format/rendered-objects.ts';
import { createKubernetesTarget } from '../../src/target/kubernetes/kubernetes.ts';
import type { Target } from '../../src/target/target.ts';
import { downloadModule } from '../lab/go.ts';
import { clientPrograms } from '../lab/kubernetes/clients.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { run } from '../lab/process.ts';
import { pushReadyImage } from '../lab/ready-image.ts';
import type { Registry } from '../lab/registry.ts';
import { changeCluster } from '../support/cluster-change.ts';
import { startClusterSite } from '../support/cluster-site.ts';
import {
  noCluster,
  skipWithoutLab,
  startLabCluster,
  trustedRegistry,
} from '../support/kubernetes-lab.ts';
import { objectsRelease } from '../support/objects-release.ts';
import { clusterSite, generationOf } from '../target/kubernetes/rendered.ts';
import { connectedSide } from './connected.ts';

// Charts and objects as a person gets them: in a bundle, and beside what Helm makes of the same chart.
const NAMESPACE = 'stowage-gear';
const { signal } = new AbortController();
const work = mkdtempSync(join(tmpdir(), 'kubernetes-charts-'));
let cluster: Cluster;
let registry: Registry;
let target: Target;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  registry = await trustedRegistry(cluster);
  const { kubeconfig } = cluster;
  target = createKubernetesTarget({
    ...{ env: {}, root: work },
    settings: async () => clusterSite({ kubeconfig }),
  });
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function get(...args: readonly string[]): Promise<any> {
  return JSON.parse(
    await cluster.kubectl('get', '--namespace', NAMESPACE, '--output=json', ...args),
  );
}

describe('when a bundle with objects is imported', () => {
  it('is planned with what its objects may do, installed, shown, refused to be stopped, rolled back and uninstalled', async () => {
    const folder = join(work, 'connected');
    mkdirSync(join(folder, 'things'), { recursive: true });
    const nothing = { hub: { url: 'http://127.0.0.1:9' } };
    const side = await connectedSide(folder, nothing);
    const bundle = (version: string): Promise<string> => {
      writeFileSync(join(folder, 'things/all.yaml'), THINGS.replace('VERSION', version));
      return side.release(GEAR.replace('VERSION', version), `gear-${version}`, '--no-installer');
    };
    const [one, two] = [await bundle('1.0.0'), await bundle('1.1.0')];
    const plant = join(work, 'plant');
    const site = await startClusterSite({
      ...{ folder: plant, cluster, side, port: 5443, first: one },
    });
    try {
      const yaml = readFileSync(join(site.folder, 'site.yaml'), 'utf8');
      const plan = await site.run('plan', 'gear@1.0.0');
      expect(plan.stdout).toContain('ClusterRole gear-reader');
      expect(plan.stdout).toContain('apply-set');
      writeFileSync(join(site.folder, 'site.yaml'), `${yaml}  clusterScoped: false\n`);
      const refused = await site.run('install', 'gear@1.0.0');
      expect(refused.stderr).toContain('cluster-scoped');
      writeFileSync(join(site.folder, 'site.yaml'), yaml);
      await site.must('install', 'gear@1.0.0');
      expect((await get('configmap', 'settings')).data).toEqual({
        ...{ host: 'plant.example', where: NAMESPACE, version: '1.0.0' },
      });
      const { json: status } = await site.must('status');
      expect(status.services).toMatchObject([
        { service: { name: 'things' }, state: { state: 'running' }, drift: [] },
      ]);
      expect(status.services[0].service.powers).toContain('cluster: ClusterRole gear-reader');
      const { json: receipt } = await site.must('receipt', 'show');
      expect(JSON.stringify(receipt)).toContain('"stowage/receipt/v4"');
      const stopped = await site.run('stop', 'gear', 'things');
      expect(stopped.stderr).toContain('service-unknown');
      await site.must('import', two);
      await site.must('install', 'gear@1.1.0');
      expect((await get('configmap', 'settings')).data.version).toBe('1.1.0');
      await site.must('rollback');
      expect((await get('configmap', 'settings')).data.version).toBe('1.0.0');
      await cluster.kubectl('delete', 'configmap', 'settings', '--namespace', NAMESPACE);
      expect((await site.must('status')).json.services[0].drift).toMatchObject([
        { field: 'ConfigMap settings', found: 'deleted' },
      ]);
      await site.must('install', 'gear@1.0.0');
      expect((await get('configmap', 'settings')).data.version).toBe('1.0.0');
      await site.must('uninstall', 'gear');
      const left = await cluster.tryKubectl('get', 'clusterrole', 'gear-reader');
      expect(left.status).toBe(1);
    } finally {
      await site.stop();
    }
  });
});

const GEAR = `apiVersion: stowage/v1
name: gear
version: VERSION
parameters:
  host: { type: string, default: plant.example, description: the name of the plant }
objects:
  - { name: things, source: ./things }
`;
const THINGS = `apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { host: "\${parameters.host}", where: "\${release.namespace}", version: VERSION }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: gear-reader }
rules: [{ apiGroups: [""], resources: [pods], verbs: [get] }]
`;

describe('when a published chart is installed by Stowage and by Helm', () => {
  it('has the same live objects, labels of ownership aside', async () => {
    const helm = join(await clientPrograms(), 'helm');
    const { Dir } = await downloadModule('sigs.k8s.io/lws@v0.7.0');
    const chart = join(Dir, 'charts/lws');
    const reference = `${registry.host}/gear/lws:1`;
    const manifest = parseDigest(await pushReadyImage(work, reference));
    const values = {
      image: { manager: { repository: `${registry.host}/gear/lws`, tag: '1' } },
      resources: { requests: { cpu: '10m', memory: '16Mi' } },
    };
    const archive = join(work, 'lws.tgz');
    await run('tar', ['-czf', archive, '-C', join(Dir, 'charts'), 'lws']);
    const input = {
      ...{ what: 'chart lws', release: 'gear', kubeVersion: '1.36.0', apiVersions: [] },
      values: [values],
    };
    const env = { PATH: `${dirname(helm)}:${process.env['PATH']}` };
    const files = await readChart(readFileSync(archive), 'chart lws');
    const place = { folder: work, env, signal, parameters: {}, without: [] };
    const { objects: rendered } = await renderForSites(files, input, place);
    const names = nameImages(referencesOf(rendered, []), [], new Set());
    const { objects } = placeImages(rendered, names, []);
    const settings = clusterSite({ images: { registry: registry.host } });
    const release = objectsRelease(objects, {
      // Its pods name no seccomp profile.
      cluster: { podSecurity: 'baseline' },
      ...{ version: '2.0.0', settings, powers: powersOf(objects.map(({ object }) => object)) },
      images: [
        {
          ...{ name: names.get(reference) ?? '', source: reference, repository: 'gear/lws' },
          target: { digest: manifest, size: 1, mediaType: 'application/json' },
          platforms: [{ platform: 'linux/amd64', manifest, config: manifest }],
        },
      ],
    });
    const { failure } = await changeCluster(target, {
      from: generationOf(0),
      to: generationOf(1, release.release),
    });
    expect(failure).toBeUndefined();
    const of = { release: release.release, service: 'things' };
    expect(await target.state(of, signal)).toMatchObject({ state: 'running', drift: [] });
    const [service] = target.services(release.release);
    expect(service?.powers).toContain(
      'cluster: CustomResourceDefinition leaderworkersets.leaderworkerset.x-k8s.io',
    );
    const installed = await liveObjects(objects);
    await changeCluster(target, {
      ...{ intent: 'uninstall', from: generationOf(1, release.release), to: generationOf(2) },
    });
    await cluster.kubectl('delete', 'crd', 'leaderworkersets.leaderworkerset.x-k8s.io');
    const file = join(work, 'values.json');
    writeFileSync(file, JSON.stringify(values));
    const args = ['--kubeconfig', cluster.kubeconfig, '--namespace', NAMESPACE];
    const more = ['--create-namespace', '--values', file];
    await run(helm, ['install', 'gear', chart, ...args, ...more], { env: { HOME: work } });
    const byHelm = await liveObjects(objects);
    expect(installed.length).toBeGreaterThan(15);
    expect(installed).toEqual(byHelm);
    await run(helm, ['uninstall', 'gear', ...args], { env: { HOME: work } });
  });
});

/** What the cluster has of these objects, without what each object has for itself. */
async function liveObjects(objects: readonly RenderedObject[]): Promise<string[]> {
  const all: string[] = [];
  for (const { object, hook: its } of objects) {
    if (its !== undefined) continue;
    const { kind, metadata, apiVersion } = object as unknown as KubernetesObject;
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const type = group === '' ? kind : `${kind}.${version}.${group}`;
    const live = JSON.parse(
      await cluster.kubectl(
        ...['get', type, metadata.name, '--namespace', NAMESPACE, '--output=json'],
      ),
    );
    const { labels, annotations = {}, namespace } = live.metadata;
    const own = /^(?:stowage\.dev|applyset\.kubernetes\.io)\/|^app\.kubernetes\.io\/managed-by$/;
    const helms = /^meta\.helm\.sh\//;
    const without = (all: object, pattern: RegExp): object =>
      Object.fromEntries(Object.entries(all).filter(([name]) => !pattern.test(name)));
    const { status: _, metadata: __, ...content } = live;
    const about = {
      namespace,
      labels: without(labels ?? {}, own),
      annotations: without(annotations, helms),
    };
    const text = JSON.stringify({ kind, name: metadata.name, about, content })
      .replaceAll(/"clusterIPs?":(?:"[^"]*"|\[[^\]]*\]),?/g, '')
      .replaceAll(/gear\/lws(?::1|@sha256:[0-9a-f]{64})/g, 'gear/lws');
    all.push(text);
  }
  return all;
}
