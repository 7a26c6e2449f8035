import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { startWebhook } from '../lab/kubernetes/webhook.ts';
import { until } from '../lab/process.ts';
import { type AskingClient, askWithoutPause } from '../support/asking-client.ts';
import { clusterObjects, untilProbesGone } from '../support/cluster-objects.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { credentialPlugin, expiredToken, kubeconfigOf } from '../support/kubeconfigs.ts';
import {
  skipWithoutLongLab,
  startLongLabCluster,
  trustedRegistry,
} from '../support/kubernetes-lab.ts';
import { type LightReleases, lightReleases, serving } from '../support/light-release.ts';
import type { Ran } from './cli.ts';

// One cluster on which release chat 1.0.0 runs, and a client that asks it without pause. Each bad day must end with a reason,
// with nothing half done, and with every question answered.
const NAMESPACE = 'stowage-chat';
const NODE_PORT = '  service: NodePort\n';
const work = mkdtempSync(join(tmpdir(), 'bad-days-'));
let cluster: Cluster;
let releases: LightReleases;
let site: ClusterSite;
let client: AskingClient;
let whole: string;

beforeAll(async () => {
  const lab = await startLongLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  releases = await lightReleases(join(work, 'releases'));
  const first = await releases.make({ version: '1.0.0', seq: 1 });
  const folder = join(work, 'plant');
  site = await startClusterSite({
    folder,
    cluster,
    side: releases,
    port: 5443,
    first,
    more: NODE_PORT,
  });
  const later = {
    '2.0.0': {},
    '3.0.0': {
      service: { args: [`${serving()} & sleep 3; kill -9 $!; exit 1`] },
      health: { soakSeconds: 9 },
    },
    '4.0.0': { health: { startupLimitSeconds: 8 } },
    '5.0.0': { service: { args: [serving(20)] } },
    '6.0.0': { health: { startupSeconds: 5, soakSeconds: 5 } },
  };
  let seq = 1;
  for (const [version, values] of Object.entries(later)) {
    seq += 1;
    await site.must('import', await releases.make({ version, seq, ...values }));
  }
  const service = { replicas: 2, disruption: 1 };
  await site.must(
    'import',
    await releases.make({ name: 'other', version: '1.0.0', seq: 1, service }),
  );
  await site.must('install', 'chat@1.0.0');
  await ask();
  whole = await clusterObjects(cluster);
});

beforeEach((test) => {
  skipWithoutLongLab(test, cluster);
  client.take();
});

// Whatever happened: clients were answered by the old generation, and nothing of the new one is left.
afterEach(async () => {
  if (cluster === undefined) return;
  site.configure({ more: NODE_PORT });
  const got = await until('an answer', 20, async () => {
    const some = client.take();
    return some.length === 0 ? undefined : some;
  });
  expect(new Set(got)).toEqual(new Set(['{"release":"chat-1.0.0"}']));
  expect(await clusterObjects(cluster)).toBe(whole);
  expect(existsSync(join(site.folder, 'apply'))).toBe(false);
  expect((await site.run('status', '--check')).status).toBe(0);
});

afterAll(async () => {
  await client?.stop();
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

async function ask(): Promise<void> {
  await client?.stop();
  const at = await clientAddress(cluster, NAMESPACE);
  client = askWithoutPause({ ...at, path: '/release.json' });
}

/** Why a change was refused before anything happened. */
function refusal({ status, json, stderr }: Ran): string {
  expect(status, stderr).toBe(12);
  expect(json.error.code).toBe('host-unfit');
  return JSON.stringify(json.error);
}

/** A kubeconfig of the lab's administrator with another user. */
function kubeconfig(name: string, user: object, server?: object): string {
  return kubeconfigOf(cluster, {
    user,
    ...(server === undefined ? {} : { server }),
    path: join(work, `${name}.conf`),
  });
}

describe('when the credentials of a site do not hold', () => {
  it.each([
    [
      'an expired token',
      () => ({ token: expiredToken(cluster) }),
      'engine-failed',
      /token of the kubeconfig expired at \d{4}-/,
    ],
    [
      'an expired client certificate',
      async () => {
        const { certificate, key } = await cluster.expiredCertificate('/O=system:masters/CN=admin');
        return { 'client-certificate': certificate, 'client-key': key };
      },
      'engine-failed',
      /client certificate of the kubeconfig expired at \d{4}-/,
    ],
    ['a token that was revoked', () => ({ token: 'gone' }), 'engine-failed', /does not accept/],
    [
      'a plugin that fails',
      () => credentialPlugin('echo cannot log in >&2; exit 3'),
      'host-unfit',
      /cannot log in/,
    ],
    ['a plugin that prints no credential', () => credentialPlugin('echo {}'), 'host-unfit', /sh/],
    [
      'a plugin that is not there',
      () => ({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: '/absent' } }),
      'host-unfit',
      /\/absent.*ENOENT/,
    ],
  ])('says so: %s', async (name, user, code, found) => {
    site.configure({ kubeconfig: kubeconfig(name.replaceAll(' ', '-'), await user()) });
    for (const command of [['status'], ['install', 'chat@2.0.0']]) {
      const { json, status } = await site.run(...command);
      expect(status).not.toBe(0);
      expect(json.error).toMatchObject({ code, found: expect.stringMatching(found) });
    }
  });

  it('refuses a server whose certificate another authority issued', async () => {
    const other = join(work, 'other-ca');
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-subj', '/CN=other', '-keyout', `${other}.key`, '-out', `${other}.crt`],
      ],
      { stdio: 'ignore' },
    );
    const user = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8')).users[0].user;
    const server = { 'certificate-authority': `${other}.crt` };
    site.configure({ kubeconfig: kubeconfig('other-authority', user, server) });
    const { json } = await site.run('install', 'chat@2.0.0');
    expect(json.error).toMatchObject({ code: 'host-unfit' });
  });
});

describe('when the clocks of site and cluster are apart', () => {
  /** The variables of a command whose clock is wrong. */
  const shifted = (by: string): NodeJS.ProcessEnv => {
    const [library = ''] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
    expect(library, 'install the package faketime (test/lab/packages.sh)').not.toBe('');
    const still = { FAKETIME_DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1' };
    return { LD_PRELOAD: library, FAKETIME: by, ...still };
  };

  it('reads state and plans all the same, and doctor names the difference', async () => {
    const env = shifted('+2h');
    for (const command of [
      ['status', '--check'],
      ['plan', 'chat@2.0.0'],
    ]) {
      const { status, stderr } = await site.runWith({ env }, ...command);
      expect(status, stderr).toBe(0);
    }
    const { json } = await site.runWith({ env }, 'doctor');
    expect(json.findings).toContainEqual(
      expect.objectContaining({
        ...{ check: 'clock of the API server', verdict: 'wrong' },
        found: expect.stringMatching(/^7[12]\d\d s/),
      }),
    );
  });

  it.each([
    ['-40d', /not yet valid/],
    ['+4000d', /expired/],
  ])('names the certificate and the clock of the host at %s', async (by, found) => {
    const { status, json } = await site.runWith({ env: shifted(by) }, 'plan', 'chat@2.0.0');
    expect(status).toBe(12);
    expect(json.error).toMatchObject({ code: 'host-unfit', found: expect.stringMatching(found) });
    expect(json.error.hint).toContain('clock of this host');
  });
});

describe('when a plan cannot be carried out', () => {
  it('says that the namespace is being deleted', async () => {
    const about = { name: 'stowage-other', finalizers: ['lab.example/hold'] };
    const object = { apiVersion: 'v1', kind: 'ConfigMap' };
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: about.name } });
    await cluster.apply({
      ...object,
      metadata: { name: 'held', namespace: about.name, finalizers: about.finalizers },
    });
    await cluster.kubectl('delete', 'namespace', about.name, '--wait=false');
    const refused = await site.run('install', 'other');
    expect(refusal(refused)).toMatch(/namespace.*being deleted/);
    const patch = ['--type=merge', '-p', '{"metadata":{"finalizers":[]}}'];
    await cluster.kubectl('patch', 'configmap', 'held', '-n', about.name, ...patch);
    await cluster.kubectl('wait', '--for=delete', `namespace/${about.name}`, '--timeout=60s');
  });

  it('says which quota is reached', async () => {
    const metadata = { name: 'small', namespace: NAMESPACE };
    const spec = { hard: { pods: '1' } };
    await cluster.apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec });
    await until(
      'the quota',
      30,
      async () =>
        /1/.test(
          await cluster.kubectl(
            ...['get', 'quota', 'small', '-n', NAMESPACE, '--output=jsonpath={.status.used.pods}'],
          ),
        ) || undefined,
    );
    const refused = await site.run('install', 'chat@2.0.0');
    await cluster.kubectl('delete', 'quota', 'small', '-n', NAMESPACE);
    expect(refusal(refused)).toMatch(/exceeded quota: small/);
  });

  it.each([
    ['refuses', { refuses: 'images need a ticket' }, /images need a ticket/],
    ['does not answer', {}, /webhook bad-day\.lab\.example does not answer/],
  ])('says which admission webhook %s', async (_, options, found) => {
    const resources = ['deployments'];
    const stop = await startWebhook(cluster, {
      ...{ name: 'bad-day', namespace: NAMESPACE, group: 'apps', resources },
      ...options,
    });
    try {
      const refused = await site.run('install', 'chat@2.0.0');
      expect(refusal(refused)).toMatch(found);
    } finally {
      await stop();
    }
  });
});

describe('when a plan was killed while its probe ran', () => {
  it('removes the rest of the probe with the next plan, which probes elsewhere or not at all', async () => {
    const silent = createServer(() => {}).listen(0, cluster.host);
    await once(silent, 'listening');
    try {
      const { port } = silent.address() as AddressInfo;
      const images = `{ from: push, registry: "${cluster.host}:${port}" }`;
      site.configure({ images, more: NODE_PORT });
      const kill = new AbortController();
      const killed = site.runWith({ kill: kill.signal }, 'plan', 'other');
      await until('the pod of a probe', 60, async () => (await probes('pods')) || undefined);
      kill.abort();
      expect((await killed).status).toBe(-1);
      expect(await probes('pods,namespaces')).toMatch(/^pod\/.*\nnamespace\//);
    } finally {
      silent.close();
    }
    site.configure({ more: NODE_PORT });
    await site.must('plan', 'chat@2.0.0');
    expect(await probes('pods,secrets,networkpolicies')).toBe('');
    await untilProbesGone(cluster);
  });
});

describe('when a server no longer has the version of an object', () => {
  it('removes the object all the same', async () => {
    await site.must('install', 'other');
    const { generation } = (await site.must('status')).json;
    const file = join(site.folder, 'generations', `${generation.number}.json`);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('"policy/v1"');
    // As Kubernetes before 1.25 had it.
    writeFileSync(file, text.replace('"policy/v1"', '"policy/v1beta1"'));
    const budgets = ['get', 'poddisruptionbudgets', '-n', 'stowage-other', '--output=name'];
    expect(await cluster.kubectl(...budgets)).toMatch(/^poddisruptionbudget/);
    await site.must('uninstall', 'other');
  });
});

describe('when a change fails on its way', () => {
  it.each([
    ['a webhook refuses the pod', { resources: ['pods'] }, /admits no pod: .*pods need a ticket/],
    [
      'a webhook refuses the Service',
      { resources: ['services'], when: 'request.dryRun != true && request.operation == "UPDATE"' },
      /pods need a ticket/,
    ],
  ])('undoes everything where %s', async (_, options, found) => {
    const stop = await startWebhook(cluster, {
      ...{ name: 'bad-day', namespace: NAMESPACE, refuses: 'pods need a ticket' },
      when: 'request.dryRun != true',
      ...options,
    });
    try {
      const { status, json } = await site.run('install', 'chat@2.0.0');
      expect(status).toBe(3);
      expect(json.error).toMatchObject({
        code: 'rolled-back',
        found: expect.stringMatching(found),
      });
    } finally {
      await stop();
    }
  });

  it('keeps the old generation where the new process ends after it was ready', async () => {
    const { status, json } = await site.run('install', 'chat@3.0.0');
    expect(status).toBe(3);
    expect(json.error).toMatchObject({
      code: 'rolled-back',
      found: expect.stringMatching(/process exited|status|no response/),
    });
  });

  it('says that a claim has no volume where a StorageClass has no provisioner', async () => {
    const storage = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass' };
    const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim' };
    await cluster.apply(
      { ...storage, metadata: { name: 'nobody' }, provisioner: 'lab.example/none' },
      {
        ...claim,
        metadata: { name: 'models', namespace: NAMESPACE },
        spec: {
          ...{ accessModes: ['ReadOnlyMany'], storageClassName: 'nobody' },
          resources: { requests: { storage: '1Gi' } },
        },
      },
    );
    site.configure({ more: `${NODE_PORT}  weights: volume\n  claim: models\n` });
    const refused = await site.run('install', 'chat@4.0.0');
    await cluster.kubectl('delete', 'pvc', 'models', '-n', NAMESPACE);
    await cluster.kubectl('delete', 'storageclass', 'nobody');
    expect(refused.status).toBe(3);
    expect(refused.json.error.found).toMatch(/a claim has no volume, for 8 s/);
  });

  it('says that the registry has no such image', async () => {
    const registry = await trustedRegistry(cluster, 'empty');
    site.configure({ images: `{ from: push, registry: "${registry.host}" }`, more: NODE_PORT });
    expect(refusal(await site.run('install', 'chat@2.0.0'))).toMatch(/no such image/);
  });

  it('says that the disk of the only node that may run it is full', async () => {
    const [full, other] = cluster.nodes;
    if (full === undefined || other === undefined) throw new Error('two nodes are needed');
    const ingest = join(
      ...[cluster.folder, full.name, 'containerd/root/io.containerd.content.v1.content/ingest'],
    );
    await cluster.kubectl('cordon', other.name);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', ingest]);
    try {
      expect(refusal(await site.run('install', 'chat@5.0.0'))).toMatch(/disk of the node is full/);
    } finally {
      execFileSync('umount', ['--lazy', ingest]);
      await cluster.kubectl('uncordon', other.name);
    }
  });

  it('names the finalizer that holds an old object, and finishes when it is gone', async () => {
    const [old = ''] = await deployments();
    const finalizers = (...names: string[]): Promise<string> =>
      cluster.kubectl(
        ...['patch', '-n', NAMESPACE, old, '--type=merge'],
        ...['-p', JSON.stringify({ metadata: { finalizers: names } })],
      );
    await finalizers('lab.example/hold');
    const { json } = await site.run('install', 'chat@2.0.0');
    expect(json.error).toMatchObject({ code: 'apply-unfinished', found: 'lab.example/hold' });
    await finalizers();
    await site.must('receipt', 'write');
    expect(await deployments()).toHaveLength(1);
    await site.must('install', 'chat@1.0.0');
    await answersAgain();
  });

  // Longer than the gate waits for an answer of a service, and than a service may make no progress.
  it.each([
    ['while the service loads', '2.0.0', 5_000, 0],
    ['while the gate asks the service', '6.0.0', 20_000, 0],
    ['while the service must stay ready', '6.0.0', 20_000, 4_000],
  ])(
    'waits for an API server that accepts connections and does not answer, %s',
    async (_, version, pause, after) => {
      const change = site.run('install', `chat@${version}`);
      await until(
        'the new Deployment',
        60,
        async () => (await deployments()).length === 2 || undefined,
      );
      if (version === '6.0.0') await untilRunning();
      await sleep(after);
      cluster.pauseApiServer();
      await sleep(pause);
      cluster.resumeApiServer();
      const { status, json, stderr } = await change;
      expect(status, stderr).toBe(0);
      expect(json.receipt.outcome).toBe('kept');
      await site.must('install', 'chat@1.0.0');
      const failed = client.take().filter((each) => each.startsWith('failed'));
      // A halt longer than the grace period of the lab's nodes (16 s) takes every pod out of its Service for a moment.
      if (pause < 10_000) expect(failed).toEqual([]);
      await answersAgain();
    },
  );

  it('says within seconds that the API server is down', async () => {
    await cluster.stopApiServer();
    const { json } = await site.run('install', 'chat@2.0.0');
    await cluster.startApiServer();
    expect(json.error).toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining('does not answer'),
    });
  });
});

describe('when somebody changes what is installed', () => {
  it.each([
    ['deletes a policy', ['delete', 'networkpolicies', '--all'], /NetworkPolicy .*isolated-/],
    ['deletes the parent of its ApplySet', ['delete', 'configmap', 'stowage'], /ConfigMap stowage/],
    ['deletes its Service', ['delete', 'service', 'server'], /Service server/],
  ])('names what is missing and repairs it: %s', async (_, command, found) => {
    await cluster.kubectl(...command, '--namespace', NAMESPACE);
    const { json } = await site.must('status');
    expect(json.services[0].drift).toMatchObject([
      { field: expect.stringMatching(found), found: 'deleted' },
    ]);
    await site.must('install', 'chat@1.0.0');
    await ask();
    await answersAgain();
  });

  it.each([
    [
      'directs its clients elsewhere',
      ['service', 'server', '{"spec":{"selector":{"stowage.dev/specification":"gone"}}}'],
      /Service server spec\.selector/,
    ],
    [
      'weakens its namespace',
      [
        ...['namespace', NAMESPACE],
        '{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}',
      ],
      /Namespace stowage-chat metadata\.labels/,
    ],
  ])('names the field and who owns it now: somebody %s', async (_, [kind, name, patch], found) => {
    const about = [kind ?? '', name ?? '', '-n', NAMESPACE];
    const edit = (text: string): Promise<string> =>
      cluster.kubectl(
        ...['patch', ...about, '--field-manager=kubectl-edit', '--type=merge', '-p', text],
      );
    const before = JSON.parse(await cluster.kubectl('get', ...about, '--output=json'));
    const selector = before.spec.selector?.['stowage.dev/specification'];
    await edit(patch ?? '');
    const { json } = await site.must('status');
    expect(json.services[0].drift[0].field).toMatch(found);
    const refused = await site.run('install', 'chat@1.0.0');
    expect(refused.status).not.toBe(0);
    expect(JSON.stringify(refused.json.error)).toContain('kubectl-edit manages');
    await edit((patch ?? '').replace('gone', selector).replace('privileged', 'restricted'));
    // Whoever wrote a field last owns it, also with the right value, until it is applied again.
    await site.must('install', 'chat@1.0.0');
    await answersAgain();
  });
});

/** What probes left in any namespace. */
async function probes(kinds: string): Promise<string> {
  const all = ['--all-namespaces', '--selector', 'stowage.dev/probe', '--output=name'];
  return cluster.kubectl('get', kinds, ...all);
}

/** Waits until two pods run: the old one, and one that the gate asks then. */
async function untilRunning(): Promise<void> {
  const args = ['--field-selector=status.phase=Running', '--output=name'];
  await until('the new pod', 60, async () => {
    const pods = await cluster.kubectl('get', 'pods', '-n', NAMESPACE, ...args);
    return pods.trim().split('\n').length === 2 || undefined;
  });
}

async function deployments(): Promise<string[]> {
  const names = await cluster.kubectl('get', 'deployments', '-n', NAMESPACE, '--output=name');
  return names.trim().split('\n');
}

/** Waits until the client gets nothing but answers of the first version. */
async function answersAgain(): Promise<void> {
  await until('the old answers', 20, async () => {
    await sleep(200);
    const said = client.take();
    return (said.length > 0 && said.every((each) => each.includes('1.0.0'))) || undefined;
  });
}
