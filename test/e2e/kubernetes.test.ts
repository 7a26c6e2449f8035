import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { answerText } from '../../src/site/gate/acceptance.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';
import { answers, startUpstream } from '../lab/upstream.ts';
import { askOnce, askWithoutPause, type Question } from '../support/asking-client.ts';
import { objectsOfEveryKind, untilProbesGone } from '../support/cluster-objects.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { expectAccepted, goldenReleases } from '../support/golden-objects.ts';
import { noCluster, skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { type ConnectedSide, connectedSide, demoManifest } from './connected.ts';

const NAMESPACE = 'stowage-tiny-chat';
/** A variable of the server's environment. */
const VARIABLE = 'LLAMA_ARG_ALIAS';
const work = mkdtempSync(join(tmpdir(), 'kubernetes-'));
let cluster: Cluster;
let side: ConnectedSide;
let site: ClusterSite;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const upstream = await startUpstream(join(work, 'upstream'));
  try {
    side = await connectedSide(work, upstream);
    const first = demoManifest(upstream, 8080);
    const second = first
      .replace('@main', '@v2')
      .replace('air gap model is ready', 'second release');
    const release = (manifest: string, version: string, name: string): Promise<string> =>
      side.release(manifest.replace('1.0.0', version), name, '--no-installer');
    await release(first, '1.0.0', 'one');
    await release(second, '1.1.0', 'two');
    await release(first.replace('is ready }', 'is silent }'), '1.2.0', 'wrong-answer');
    await release(several(first), '1.5.0', 'several-one');
    await release(several(second), '1.6.0', 'several-two');
    await release(gpu(first), '1.3.0', 'gpu-one');
    await release(gpu(second), '1.4.0', 'gpu-two');
  } finally {
    await upstream.stop();
  }
  const lab = await startLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const folder = join(work, 'plant');
  const first = join(work, 'one');
  site = await startClusterSite({
    ...{ folder, cluster, side, port: 5443, first },
    more: '  clients: [default]\n  service: NodePort\n',
  });
  for (const name of ['two', 'wrong-answer', 'several-one', 'several-two', 'gpu-one', 'gpu-two'])
    await site.must('import', join(work, name));
});

/** The same release with replicas. */
function several(manifest: string): string {
  const shape =
    'replicas: 3\n    disruption: 1\n    spread: [kubernetes.io/hostname]\n    requests: { cpus: 0.05 }';
  return manifest.replace('    memory: 1GiB', `    memory: 1GiB\n    ${shape}`);
}

/** The same release on a GPU. */
function gpu(manifest: string): string {
  return manifest.replace('    memory: 1GiB', '    memory: 1GiB\n    gpus: 1');
}

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function get(...args: readonly string[]): Promise<any> {
  return JSON.parse(
    await cluster.kubectl('get', '--namespace', NAMESPACE, '--output=json', ...args),
  );
}

/** The generation that clients reach, by the Deployment that the Service selects. */
async function selected(): Promise<string> {
  return (await get('service', 'server')).spec.selector['stowage.dev/specification'];
}

/** What clients outside the cluster ask the model. */
async function question(): Promise<Question> {
  const body = JSON.stringify({ model: 'tiny', prompt: 'hello', max_tokens: 12, temperature: 0 });
  return { ...(await clientAddress(cluster, NAMESPACE)), path: '/v1/completions', body };
}

/** The answer of the model. */
async function answer(): Promise<string | undefined> {
  return answerText(await askOnce(await question()));
}

/** What a client that asks without pause is told during an upgrade and the return from it. */
async function upgradeAndReturn(to: string): Promise<string[]> {
  const client = askWithoutPause(await question());
  const said: string[] = [];
  const note = (): void => {
    said.push(...client.take().map((each) => answerText(each) ?? `failed: ${each}`));
  };
  const says = (wanted: string): Promise<true> =>
    until(wanted, 20, async () => {
      note();
      return said.at(-1) === wanted || undefined;
    });
  try {
    await site.must('install', to);
    await says(answers.v2);
    await site.must('rollback');
    await says(answers.v1);
  } finally {
    await client.stop();
  }
  note();
  return said;
}

describe('when a release runs on a cluster', () => {
  it.each(goldenReleases)('has objects that the server accepts: %s', (name) =>
    expectAccepted(cluster, name, work),
  );

  it('is planned with a dry run of the server and changes nothing by that', async () => {
    const { json, status } = await site.run('plan', 'tiny-chat@1.0.0');
    expect(status).toBe(0);
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const rules = json.plan.constraints.map((each: any) => [each.rule, each.satisfied]);
    expect(rules).toContainEqual(['admission', true]);
    expect(rules).toContainEqual(['namespace', true]);
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const found = (rule: string) => json.plan.constraints.find((each: any) => each.rule === rule);
    expect(found('image-pull').found).toMatch(/^node n[12] pulled them$/);
    expect(found('node-disk').found).toMatch(/^2 of 2 nodes have it/);
    expect(found('network-policy').found).toMatch(/^not proven/);
    expect(found('quota').found).toBe('no quota');
    await untilProbesGone(cluster);
    expect(await objectsOfEveryKind(cluster)).toEqual([]);
  });

  it('pulls server and model from the depot, and answers before clients reach it', async () => {
    const { json } = await site.must('install', 'tiny-chat@1.0.0');
    expect(json.receipt.outcome).toBe('kept');
    const namespace = JSON.parse(await cluster.kubectl('get', 'ns', NAMESPACE, '--output=json'));
    expect(namespace.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
    const [pod] = (await get('pods')).items;
    const images = pod.spec.volumes.flatMap((each: { image?: object }) => each.image ?? []);
    expect(images).toMatchObject([
      { reference: expect.stringContaining(`${site.registry}/tiny-chat/tiny-car@sha256:`) },
    ]);
    expect(pod.spec.containers[0].image).toContain(`${site.registry}/tiny-chat/server@sha256:`);
    const log = readFileSync(join(work, 'plant/access.log'), 'utf8');
    expect(log).toContain('/v2/tiny-chat/tiny-car/');
    expect(await answer()).toBe(answers.v1);
  });

  it('names the cluster, its nodes and its objects in the receipt', async () => {
    const { json } = await site.must('receipt', 'show');
    const uid = '--output=jsonpath={.metadata.uid}';
    const [pod] = (await get('pods')).items;
    const node = JSON.parse(
      await cluster.kubectl('get', 'node', pod.spec.nodeName, '--output=json'),
    );
    const { kubeletVersion: kubelet, containerRuntimeVersion: runtime } = node.status.nodeInfo;
    expect(json.receipt.cluster).toMatchObject({
      uid: await cluster.kubectl('get', 'namespace', 'kube-system', uid),
      version: kubelet,
      nodes: [{ name: pod.spec.nodeName, kubelet, runtime, devices: {} }],
    });
    const { objects } = json.receipt.cluster;
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const kinds = objects.map((each: any) => each.kind);
    expect(new Set(kinds)).toEqual(
      new Set(['Namespace', 'ConfigMap', 'NetworkPolicy', 'Deployment', 'Service']),
    );
    const { resourceVersion } = (await get('service', 'server')).metadata;
    expect(objects).toContainEqual({
      ...{ kind: 'Service', namespace: NAMESPACE, name: 'server', resourceVersion },
      digest: expect.stringMatching(/^sha256:/),
    });
    const history = await site.must('history');
    expect(history.json.clusters).toMatchObject([{ cluster: json.receipt.cluster }]);
  });

  it('shows no drift of what the server fills in', async () => {
    const { json } = await site.must('status');
    expect(json.services).toMatchObject([{ state: { state: 'running' }, drift: [] }]);
    expect((await site.run('status', '--check')).status).toBe(0);
  });

  it('never directs clients to a release whose prompt fails', async () => {
    const before = await selected();
    const seen = new Set<string>();
    let watching = true;
    const watch = (async () => {
      while (watching) seen.add(await selected());
    })();
    const { status, stderr } = await site.run('install', 'tiny-chat@1.2.0');
    watching = false;
    await watch;
    expect(status).toBe(3);
    expect(stderr).toContain('rolled-back');
    expect([...seen]).toEqual([before]);
    expect((await get('deployments')).items).toHaveLength(1);
  });

  it('upgrades and returns without one failed request', async () => {
    const said = await upgradeAndReturn('tiny-chat@1.1.0');
    expect(said.filter((each) => each.startsWith('failed'))).toEqual([]);
    expect(new Set(said)).toEqual(new Set([answers.v1, answers.v2]));
    expect(said.length).toBeGreaterThan(50);
    expect((await get('deployments')).items).toHaveLength(1);
  });

  it('names the field that somebody changed and who did, and installs again what was deleted', async () => {
    const name = await selected();
    await cluster.kubectl('set', 'env', '-n', NAMESPACE, `deployment/${name}`, `${VARIABLE}=evil`);
    const { json } = await site.must('status');
    const [drift] = json.services[0].drift;
    expect(drift.field).toContain(`env[name=${VARIABLE}]`);
    expect(JSON.stringify(drift)).not.toContain('evil');
    const refused = await site.run('install', 'tiny-chat@1.0.0');
    expect(refused.status).toBe(12);
    expect(refused.stderr).toMatch(new RegExp(`kubectl-set manages .*${VARIABLE}`));
    await cluster.kubectl('delete', '-n', NAMESPACE, `deployment/${name}`, '--wait=true');
    expect((await site.run('status', '--check')).status).toBe(6);
    await site.must('install', 'tiny-chat@1.0.0');
    expect((await site.must('status')).json.services[0].drift).toEqual([]);
  });

  it('spreads replicas, gates all of them and replaces them without one failed request', async () => {
    const { json } = await site.must('install', 'tiny-chat@1.5.0');
    const [readiness] = json.receipt.gates.filter(
      (each: { check: string }) => each.check === 'readiness',
    );
    expect(readiness.passed).toBe(true);
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const nodes = (await get('pods')).items.map((each: any) => each.spec.nodeName);
    expect(nodes.filter((each: string) => each === 'n1').length).toBeGreaterThan(0);
    expect(nodes.filter((each: string) => each === 'n2').length).toBeGreaterThan(0);
    const [deployment] = (await get('deployments')).items;
    expect(deployment.status).toMatchObject({ readyReplicas: 3, updatedReplicas: 3 });
    const [budget] = (await get('poddisruptionbudgets')).items;
    expect(budget).toMatchObject({
      spec: { maxUnavailable: 1 },
      status: { disruptionsAllowed: 1 },
    });
    const shown = (await site.must('status')).json.services[0];
    expect(shown).toMatchObject({ state: { replicas: { ready: 3, wanted: 3 } }, drift: [] });
    const said = await upgradeAndReturn('tiny-chat@1.6.0');
    expect(said.filter((each) => each.startsWith('failed'))).toEqual([]);
    expect((await get('deployments')).items).toHaveLength(1);
    expect((await get('poddisruptionbudgets')).items).toHaveLength(1);
  });

  it('shows how many replicas are ready, and what somebody scaled', async () => {
    const name = await selected();
    await cluster.kubectl('scale', '-n', NAMESPACE, `deployment/${name}`, '--replicas=2');
    await until('two replicas', 60, async () => {
      return (await get('deployments')).items[0].status.readyReplicas === 2 || undefined;
    });
    const { json } = await site.must('status');
    expect(json.services[0]).toMatchObject({
      state: { detail: expect.stringContaining('2 of 3 ready') },
      readiness: { ready: false },
    });
    expect(json.services[0].drift[0].field).toContain('spec.replicas');
    await cluster.kubectl('delete', '-n', NAMESPACE, `deployment/${name}`, '--wait=true');
    await site.must('install', 'tiny-chat@1.5.0');
    expect((await site.must('status')).json.services[0]).toMatchObject({ drift: [] });
    await site.must('install', 'tiny-chat@1.0.0');
    expect((await get('poddisruptionbudgets')).items).toEqual([]);
  });

  it('stops the old pods first where GPUs are scarce, and says so in the plan', async () => {
    await cluster.setExtendedResource('n1', 'nvidia.com/gpu', 1);
    await site.must('install', 'tiny-chat@1.3.0');
    const { json } = await site.must('plan', 'tiny-chat@1.4.0');
    expect(json.plan.outage.services).toEqual(['tiny-chat server']);
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const actions = json.plan.steps.map((each: any) => each.do.action);
    expect(actions.indexOf('stop-deployment')).toBeLessThan(actions.indexOf('start-deployment'));
    await site.must('install', 'tiny-chat@1.4.0');
    expect(await answer()).toBe(answers.v2);
    await site.must('rollback');
    expect(await answer()).toBe(answers.v1);
  });

  it('waits for an API server that is restarted', async () => {
    const change = site.must('install', 'tiny-chat@1.1.0');
    await until('the new pod', 60, async () => {
      const { items } = await get('pods');
      // biome-ignore lint/suspicious/noExplicitAny: as above
      return items.filter(({ spec }: any) => spec.nodeName !== undefined).length === 2 || undefined;
    });
    await cluster.stopApiServer();
    // Its kubelet cannot read the pull secret meanwhile, and the depot refuses it.
    await sleep(5_000);
    await cluster.startApiServer();
    expect((await change).json.receipt.outcome).toBe('kept');
    // kube-proxy finds the API server again by itself, and until then knows no pod behind the port of a node.
    await until(answers.v2, 60, async () => {
      const said = await answer().catch(() => undefined);
      return said === answers.v2 || undefined;
    });
  });

  it('leaves nothing of any kind after an uninstall', async () => {
    await site.must('uninstall', 'tiny-chat');
    await untilProbesGone(cluster);
    expect(await objectsOfEveryKind(cluster)).toEqual([]);
  });
});
