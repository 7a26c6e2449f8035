import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';
import { pushShellImage } from '../lab/shell-image.ts';
import { startUpstream } from '../lab/upstream.ts';
import { untilProbesGone } from '../support/cluster-objects.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import { skipWithoutLongLab, startLongLabCluster } from '../support/kubernetes-lab.ts';
import { connectedSide, demoManifest } from './connected.ts';

// The other ways by which nodes get images and weights.
const CREDENTIALS = { username: 'nodes', password: 'of-the-lab' };
/** What the script of a Job that fills a volume needs. */
const PROGRAMS = [
  'sh',
  'cat',
  'cp',
  'find',
  'ls',
  'mkdir',
  'mv',
  'rm',
  'sha256sum',
  'stat',
  'sync',
];
const three = new URL('../lab/three-services/', import.meta.url);
const work = mkdtempSync(join(tmpdir(), 'ways-'));
let cluster: Cluster;
let site: ClusterSite;

beforeAll(async () => {
  const lab = await startLongLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const upstream = await startUpstream(join(work, 'upstream'), { ownServer: true });
  try {
    const side = await connectedSide(work, upstream);
    const shell = `${upstream.registry.host}/demo/tools:1`;
    await pushShellImage(join(work, 'shell'), shell, PROGRAMS);
    const manifest = demoManifest(upstream, 8080).replace(
      'images:\n',
      `images:\n  - name: tools\n    source: ${shell}\n`,
    );
    const first = await side.release(manifest, 'one', '--no-installer');
    const later = manifest.replace(/^version: .*$/m, 'version: 1.1.0');
    await side.release(later, 'two', '--no-installer');
    for (const name of ['gateway.mjs', 'embeddings.mjs'])
      cpSync(new URL(name, three), join(work, name));
    const assistant = readFileSync(new URL('release.yaml', three), 'utf8');
    const own = assistant.replace('127.0.0.1:15000', upstream.registry.host);
    await side.release(own, 'three', '--no-installer');
    const folder = join(work, 'plant');
    site = await startClusterSite({ folder, cluster, side, port: 5443, first });
  } finally {
    await upstream.stop();
  }
});

beforeEach((test) => skipWithoutLongLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function pod(): Promise<any> {
  const printed = await cluster.kubectl('get', 'pods', '-n', 'stowage-tiny-chat', '--output=json');
  return JSON.parse(printed).items[0];
}

// biome-ignore lint/suspicious/noExplicitAny: as above
async function json(...args: readonly string[]): Promise<any> {
  return JSON.parse(await cluster.kubectl('get', ...args, '--output=json'));
}

/** A folder that both nodes see, as they see a share of a network. */
function volume(name: string): string {
  const folder = join(work, 'volumes', name);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777);
  return folder;
}

/** As the owner of a cluster without a provisioner makes one. */
function staticVolume(name: string, path: string, storageClassName: string): object {
  return {
    ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name } },
    spec: {
      accessModes: ['ReadWriteMany', 'ReadOnlyMany'],
      capacity: { storage: '1Gi' },
      persistentVolumeReclaimPolicy: 'Retain',
      ...{ hostPath: { path }, storageClassName },
    },
  };
}

async function forbidJobs(namespace: string): Promise<void> {
  const [apiVersion, metadata] = ['v1', { name: 'jobs', namespace }];
  const hard = { 'count/jobs.batch': '0' };
  await cluster.apply({ apiVersion, kind: 'ResourceQuota', metadata, spec: { hard } });
  await until(
    'the quota',
    30,
    async () => (await json('quota', 'jobs', '-n', namespace)).status?.hard || undefined,
  );
}

/** Removes what the nodes have pulled from the depot. */
async function forgetImages(): Promise<void> {
  for (const { ctr } of cluster.nodes) {
    const names = (await ctr('images', 'ls', '--quiet')).split('\n');
    const pulled = names.filter((name) => name.startsWith(site.registry));
    if (pulled.length > 0) await ctr('images', 'rm', ...pulled);
  }
}

describe('when nodes get a release by another way', () => {
  it('takes the weights from the store of this host, where it is the node', async () => {
    site.configure({ more: '  weights: local\n  node: n2\n' });
    const { json } = await site.must('install', 'tiny-chat');
    expect(json.receipt.outcome).toBe('kept');
    const { spec } = await pod();
    expect(spec.nodeName).toBe('n2');
    expect(JSON.stringify(spec.volumes)).toContain('persistentVolumeClaim');
    expect(JSON.stringify(spec.volumes)).not.toContain('hostPath');
    expect((await site.must('status')).json.services[0].drift).toEqual([]);
    await site.must('uninstall', 'tiny-chat');
    const selector = ['--selector', 'app.kubernetes.io/managed-by=stowage'];
    expect(await cluster.kubectl('get', 'pv,ns', ...selector, '--output=name')).toBe('');
  });

  it('pulls from the registry of the site what was pushed into it', async () => {
    const { certificate, key } = await cluster.serverCertificate('registry');
    const registry = await cluster.registry({ tls: { certificate, key }, htpasswd: CREDENTIALS });
    const { username, password } = CREDENTIALS;
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    const docker = join(work, 'docker');
    mkdirSync(docker);
    const auths = { [registry.host]: { auth } };
    writeFileSync(join(docker, 'config.json'), JSON.stringify({ auths }), { mode: 0o600 });
    const rule = ['--name-rule', 'ai/{release}/{name}', '--modelcars'];
    const trust = ['--ca-file', cluster.ca.certificate];
    const pushed = await site.runWith(
      { env: { DOCKER_CONFIG: docker } },
      ...['push', 'tiny-chat', registry.host, ...rule, ...trust],
    );
    expect(pushed.stderr).not.toContain('error');
    expect(pushed.status).toBe(0);
    const file = join(work, 'registry-token');
    writeFileSync(file, `${username}:${password}\n`, { mode: 0o600 });
    cluster.registries.trust({ address: registry.host, ca: cluster.ca.certificate });
    site.configure({
      images: `{ from: push, registry: "${registry.host}", prefix: ai/, credentials: { file: ${file} } }`,
    });
    const { json } = await site.must('install', 'tiny-chat');
    expect(json.receipt.outcome).toBe('kept');
    const { spec } = await pod();
    expect(spec.containers[0].image).toContain(`${registry.host}/ai/tiny-chat/server@sha256:`);
    await site.must('uninstall', 'tiny-chat');
  });

  it('pulls by original names, from mirrors as the printed configuration makes them', async () => {
    const printed = await site.must(
      ...['depot', '--print-config', 'containerd', '--as', site.registry],
      ...['--ca-file', cluster.ca.certificate, '--token-file', site.tokens],
    );
    cluster.registries.clear();
    await forgetImages();
    // No pull secret: what the nodes are configured with is all they have.
    site.configure({ images: `{ from: mirror, registry: "${site.registry}" }` });
    const without = await site.run('install', 'tiny-chat');
    expect(without.status).toBe(12);
    cluster.registries.install(printed.json.files);
    expect((await site.must('install', 'tiny-chat')).json.receipt.outcome).toBe('kept');
    const { spec } = await pod();
    expect(spec.containers[0].image).toMatch(/^127\.0\.0\.1:\d+\/[a-z/-]+@sha256:/);
    expect(spec.imagePullSecrets).toBeUndefined();
    const asked = readFileSync(site.accessLog, 'utf8');
    expect(asked).toMatch(/\/v2\/127\.0\.0\.1-\d+\/[^ ]*\/manifests\/sha256:/);
    await site.must('import', join(work, 'two'));
    const { json } = await site.must('install', 'tiny-chat@1.1.0');
    expect(json.receipt.outcome).toBe('kept');
    expect((await site.must('status')).json.services[0].drift).toEqual([]);
    expect((await site.must('rollback')).json.receipt.outcome).toBe('kept');
    expect((await site.must('status')).json.services[0].state.state).toBe('running');
    await site.must('uninstall', 'tiny-chat');
    const selector = ['--selector', 'app.kubernetes.io/managed-by=stowage'];
    expect(await cluster.kubectl('get', 'pv,ns', ...selector, '--output=name')).toBe('');
  });

  it('fills a claim of the owner once, checked, and removes only what it wrote', async () => {
    cluster.registries.clear();
    cluster.registries.trust({ address: site.registry, ca: cluster.ca.certificate });
    const folder = volume('models');
    writeFileSync(join(folder, 'mine.txt'), 'of the owner');
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'volumes', labels },
    };
    const accessModes = ['ReadWriteMany', 'ReadOnlyMany'];
    const resources = { requests: { storage: '1Gi' } };
    const claim = {
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
      metadata: { name: 'models', namespace: 'volumes' },
      spec: { accessModes, resources, storageClassName: '', volumeName: 'models' },
    };
    await cluster.apply(namespace, staticVolume('models', folder, ''), claim);
    const more = '  namespace: volumes\n  weights: volume\n  claim: models\n';
    site.configure({ more: `${more}  fill: {}\n` });
    const without = await site.run('install', 'tiny-chat@1.0.0');
    expect(without.status).toBe(3);
    expect(without.json.error.found).toContain('the image has no shell');
    expect(readdirSync(folder)).toEqual(['mine.txt']);

    site.configure({ more: `${more}  fill: { image: tools }\n` });
    const { plan } = (await site.must('plan', 'tiny-chat@1.0.0')).json;
    const rule = plan.constraints.find((each: { rule: string }) => each.rule === 'volume');
    expect(rule).toMatchObject({
      satisfied: true,
      found: expect.stringContaining('1.00 GiB in all'),
    });
    expect((await site.must('install', 'tiny-chat@1.0.0')).json.receipt.outcome).toBe('kept');
    const [running] = (await json('pods', '-n', 'volumes')).items;
    const { spec } = running;
    expect(JSON.stringify(spec.volumes)).not.toContain('"image"');
    expect(spec.containers[0].volumeMounts).toContainEqual(
      expect.objectContaining({ readOnly: true, subPath: 'tiny-chat-1.0.0/models/tiny' }),
    );
    const model = (version: string): string =>
      join(folder, `tiny-chat-${version}/models/tiny/tiny.gguf`);
    const copied = statSync(model('1.0.0')).ino;
    expect((await site.must('status')).json.services[0].drift).toEqual([]);
    await site.must('import', join(work, 'two'));
    expect((await site.must('install', 'tiny-chat@1.1.0')).json.receipt.outcome).toBe('kept');
    expect(existsSync(model('1.1.0'))).toBe(true);
    // What was copied for the first release is found, and not copied again.
    expect((await site.must('rollback')).json.receipt.outcome).toBe('kept');
    expect(statSync(model('1.0.0')).ino).toBe(copied);
    expect((await json('jobs', '-n', 'volumes')).items).toEqual([]);
    await forbidJobs('volumes');
    const { complaints } = await site.must('uninstall', 'tiny-chat');
    expect(complaints.join()).toMatch(
      /may remain on claim volumes\/models, in folder tiny-chat-1\.0\.0.*exceeded quota/,
    );
    expect(readdirSync(folder)).toContain('tiny-chat-1.0.0');
    await cluster.kubectl('delete', 'quota', 'jobs', '-n', 'volumes');
    await site.must('install', 'tiny-chat@1.0.0');
    expect(statSync(model('1.0.0')).ino).toBe(copied);
    await site.must('uninstall', 'tiny-chat');
    expect(readdirSync(folder)).toEqual(['mine.txt']);
    const selector = ['--selector', 'app.kubernetes.io/managed-by=stowage'];
    const kinds = 'deployments,jobs,services,configmaps,secrets,networkpolicies,pods,pvc';
    expect(await cluster.kubectl('get', kinds, '-n', 'volumes', ...selector, '-o', 'name')).toBe(
      '',
    );
    expect((await json('pvc', '-n', 'volumes')).items[0].status.phase).toBe('Bound');
  });

  it('makes and removes a claim of a storage class for each release', async () => {
    const folder = volume('class');
    await cluster.apply(staticVolume('class', folder, 'lab'));
    const more = '  weights: volume\n  storageClass: lab\n  fill: { image: tools }\n';
    site.configure({ more });
    const refused = await site.run('plan', 'tiny-chat@1.0.0');
    expect(refused.status).toBe(4);
    expect(refused.json.plan.constraints).toContainEqual(
      expect.objectContaining({ rule: 'storage-class', satisfied: false }),
    );
    const provisioner = 'kubernetes.io/no-provisioner';
    const api = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass' };
    await cluster.apply({ ...api, metadata: { name: 'lab' }, provisioner });
    expect((await site.must('install', 'tiny-chat@1.0.0')).json.receipt.outcome).toBe('kept');
    expect(existsSync(join(folder, 'tiny-chat-1.0.0/models/tiny/tiny.gguf'))).toBe(true);
    await site.must('uninstall', 'tiny-chat');
    const selector = ['--selector', 'app.kubernetes.io/managed-by=stowage'];
    expect(await cluster.kubectl('get', 'pvc,ns', '-A', ...selector, '--output=name')).toBe('');
  });

  it('runs services that call one another beside another release, without any DNS', async () => {
    site.configure();
    await site.must('import', join(work, 'three'));
    await site.must('install', 'tiny-chat');
    const { json } = await site.must('install', 'assistant');
    expect(json.receipt.outcome).toBe('kept');
    const { services } = (await site.must('status')).json;
    expect(services.map((each: { drift: unknown[] }) => each.drift)).toEqual([[], [], [], []]);
    await site.must('uninstall', 'assistant');
    await site.must('uninstall', 'tiny-chat');
  });

  it('needs no more than the Role of the page, and names a right that is missing', async () => {
    const page = readFileSync(new URL('../../manifests/KUBERNETES.md', import.meta.url), 'utf8');
    const role = parse(/^kind: Role$[\s\S]*?(?=^```$)/m.exec(page)?.[0] ?? '');
    const api = 'rbac.authorization.k8s.io';
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'models', labels } };
    const binding = {
      ...{ apiVersion: `${api}/v1`, kind: 'RoleBinding' },
      metadata: { name: 'stowage', namespace: 'models' },
      roleRef: { apiGroup: api, kind: 'Role', name: 'stowage' },
      subjects: [{ apiGroup: api, kind: 'User', name: 'operator' }],
    };
    const whole = { ...role, apiVersion: `${api}/v1` };
    await cluster.apply(namespace, whole, binding);
    const kubeconfig = await cluster.account('operator', '/CN=operator');
    site.configure({ kubeconfig, more: '  namespace: models\n' });
    const { json } = await site.must('install', 'tiny-chat');
    expect(json.receipt.outcome).toBe('kept');
    expect((await site.must('status')).json.services[0].drift).toEqual([]);
    await site.must('uninstall', 'tiny-chat');
    const selector = ['--selector', 'app.kubernetes.io/managed-by=stowage'];
    const kinds = 'deployments,services,configmaps,secrets,networkpolicies';
    expect(await cluster.kubectl('get', kinds, '-n', 'models', ...selector, '-o', 'name')).toBe('');
    const rules = whole.rules.map((rule: { resources: string[]; verbs: string[] }) =>
      rule.resources.includes('services') ? { ...rule, verbs: ['get', 'create', 'patch'] } : rule,
    );
    await cluster.apply({ ...whole, rules });
    const refused = await site.run('plan', 'tiny-chat');
    expect(refused.status).toBe(4);
    expect(refused.stdout).toContain(
      'it may not delete configmaps in models, delete secrets in models, delete services in models',
    );
  });

  it('says why a node does not get an image, and leaves nothing', async () => {
    // What nodes are configured with for mirrors has the right token.
    cluster.registries.clear();
    cluster.registries.trust({ address: site.registry, ca: cluster.ca.certificate });
    const file = join(work, 'wrong-token');
    writeFileSync(file, 'nodes:wrong\n', { mode: 0o600 });
    site.configure({ images: `{ registry: "${site.registry}", credentials: { file: ${file} } }` });
    const refused = await site.run('install', 'tiny-chat');
    expect(refused.status).toBe(12);
    expect(refused.json.error.found).toContain('the registry refuses the credentials of the node');
    cluster.registries.clear();
    await forgetImages();
    site.configure();
    const untrusted = await site.run('install', 'tiny-chat');
    // By the plan, or by the gate if the plan still has the proof of an earlier pull.
    expect(untrusted.json.error.found).toContain(
      'the node does not trust the certificate of the registry',
    );
    await untilProbesGone(cluster);
    const selector = ['--selector', 'app.kubernetes.io/managed-by=stowage'];
    expect(await cluster.kubectl('get', 'ns', ...selector, '--output=name')).toBe('');
  });
});
