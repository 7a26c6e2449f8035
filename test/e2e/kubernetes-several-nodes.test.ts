import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { answerText } from '../../src/site/gate/acceptance.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { installLeaderWorkerSets } from '../lab/kubernetes/leader-worker-sets.ts';
import { until } from '../lab/process.ts';
import { answers, startUpstream } from '../lab/upstream.ts';
import { askOnce, askWithoutPause, type Question } from '../support/asking-client.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import {
  noCluster,
  skipUnlessLong,
  skipWithoutLab,
  startLabCluster,
} from '../support/kubernetes-lab.ts';
import { type ConnectedSide, connectedSide, demoManifest } from './connected.ts';

// A server on two nodes: the worker has the model, joins its leader at port 29500, and the leader forwards requests to it. Both
// end some seconds after they are asked to, as servers do that finish their requests.
const LEADER = `
const http = require('node:http');
let worker;
process.on('SIGTERM', () => setTimeout(process.exit, 4000, 0));
http.createServer((question, answer) => {
  worker = question.headers['x-address'];
  console.log('joined: ' + question.url);
  answer.end();
}).listen(29500);
http.createServer((question, answer) => {
  if (worker === undefined) return answer.writeHead(503).end();
  const { url: path, method, headers } = question;
  const asked = http.request({ host: worker, port: 8080, path, method, headers }, (got) => {
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
  });
  asked.on('error', () => answer.writeHead(502).end());
  question.pipe(asked);
}).listen(8080);`;
const WORKER = `
const { networkInterfaces } = require('node:os');
const exit = process.exit.bind(process);
process.exit = (status) => void setTimeout(exit, 4000, status);
const [own] = Object.values(networkInterfaces()).flat().filter((each) => !each.internal);
const headers = { 'x-address': own.address };
const join = () => fetch('http://\${nodes.leader}:29500/\${nodes.rank}/\${nodes.count}', { headers })
  .then(() => fetch('http://' + process.env.LWS_LEADER_ADDRESS + ':29500/again', { headers }))
  .catch(() => setTimeout(join, 200));
import('/app/server.mjs').then(join);`;

const NAMESPACE = 'stowage-tiny-chat';
const GPU = 'nvidia.com/gpu';
const work = mkdtempSync(join(tmpdir(), 'several-nodes-'));
let cluster: Cluster;
let side: ConnectedSide;
let site: ClusterSite;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const upstream = await startUpstream(join(work, 'upstream'), { ownServer: true });
  try {
    side = await connectedSide(work, upstream);
    const first = onTwoNodes(demoManifest(upstream, 8080));
    const second = first
      .replace('@main', '@v2')
      .replace('air gap model is ready', 'second release');
    await side.release(first, 'one', '--no-installer');
    await side.release(second.replace('1.0.0', '1.1.0'), 'two', '--no-installer');
  } finally {
    await upstream.stop();
  }
  const lab = await startLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  for (const node of ['n1', 'n2']) await cluster.setExtendedResource(node, GPU, 2);
  const folder = join(work, 'plant');
  site = await startClusterSite({
    ...{ folder, cluster, side, port: 5443, first: join(work, 'one') },
    more: '  clients: [default]\n  service: NodePort\n',
  });
  await site.must('import', join(work, 'two'));
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

function onTwoNodes(manifest: string): string {
  const args = (script: string): string => JSON.stringify(['-e', script]);
  const fields = [
    'gpus: 1',
    'entrypoint: /bin/node',
    `args: ${args(LEADER)}`,
    'env: { LLAMA_ARG_MODEL: /models/tiny/tiny.gguf, LLAMA_ARG_ALIAS: tiny }',
    `nodes: { count: 2, ports: [29500], worker: { args: ${args(WORKER)} } }`,
  ];
  return manifest
    .replace('llama-server:1.0', 'tiny-llm:1.0')
    .replace('server: llama.cpp', 'server: http\n      path: /health')
    .replace(/^ {4}args:\n[\s\S]*?(?=^ {4}mounts:)/m, '')
    .replace('    memory: 1GiB', ['    memory: 1GiB', ...fields].join('\n    '));
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function get(...args: readonly string[]): Promise<any> {
  const found = await cluster.kubectl('get', '--namespace', NAMESPACE, '--output=json', ...args);
  return JSON.parse(found);
}

const completion: Omit<Question, 'host' | 'port'> = {
  path: '/v1/completions',
  body: JSON.stringify({ model: 'tiny', prompt: 'hello', max_tokens: 12, temperature: 0 }),
};

async function question(): Promise<Question> {
  return { ...(await clientAddress(cluster, NAMESPACE)), ...completion };
}

async function answer(): Promise<string | undefined> {
  return answerText(await askOnce(await question()));
}

/** The state of the service, as `status` has it. */
// biome-ignore lint/suspicious/noExplicitAny: as above
async function service(): Promise<any> {
  return (await site.must('status')).json.services[0];
}

describe('when a service spans several nodes', () => {
  it('is refused by the plan of a cluster without LeaderWorkerSets, which says what to install', async () => {
    const { status, json } = await site.run('plan', 'tiny-chat@1.0.0');
    expect(status).toBe(4);
    const failed = json.plan.constraints.filter((each: { satisfied: boolean }) => !each.satisfied);
    expect(failed).toEqual([
      {
        ...{ rule: 'leader-worker-set', satisfied: false },
        needs:
          'leaderworkerset.x-k8s.io/v1 LeaderWorkerSet, because several nodes run service server of release tiny-chat',
        found: expect.stringContaining('https://lws.sigs.k8s.io'),
      },
    ]);
  });

  it('runs as one group, whose leader answers the prompts of the gate', async () => {
    await installLeaderWorkerSets(cluster);
    const { json } = await site.must('install', 'tiny-chat@1.0.0');
    expect(json.receipt.outcome).toBe('kept');
    expect(await answer()).toBe(answers.v1);
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const pods: any[] = (await get('pods')).items;
    expect(pods.map(({ spec }) => spec.nodeName).toSorted()).toEqual(['n1', 'n2']);
    const [set] = (await get('leaderworkersets')).items;
    expect(set.status).toMatchObject({ readyReplicas: 1 });
    const { selector } = (await get('service', 'server')).spec;
    const reached = pods.filter(({ metadata }) =>
      Object.entries(selector).every(([key, value]) => metadata.labels[key] === value),
    );
    expect(reached.map(({ metadata }) => metadata.name)).toEqual([`${set.metadata.name}-0`]);
    expect(json.receipt.cluster.objects).toContainEqual(
      expect.objectContaining({ kind: 'LeaderWorkerSet', name: set.metadata.name }),
    );
    expect(json.receipt.cluster.nodes).toHaveLength(2);
    const logs = await site.must('logs', 'tiny-chat', 'server');
    expect(logs.stdout).toContain('joined: /1/2');
    expect(logs.stdout).toContain('joined: /again');
  });

  it('shows no drift of what the controller and its webhooks fill in, and what somebody changed', async () => {
    expect(await service()).toMatchObject({ state: { state: 'running' }, drift: [] });
    const [{ metadata }] = (await get('leaderworkersets')).items;
    const image = '/spec/leaderWorkerTemplate/workerTemplate/spec/priorityClassName';
    const patch = JSON.stringify([{ op: 'add', path: image, value: 'system-node-critical' }]);
    const set = ['--namespace', NAMESPACE, 'leaderworkerset', metadata.name];
    await cluster.kubectl('patch', ...set, '--type=json', '--patch', patch);
    const [drift] = (await service()).drift;
    expect(drift.field).toContain('workerTemplate.spec.priorityClassName');
    await site.must('stop', 'tiny-chat', 'server');
    expect((await get('pods')).items).toEqual([]);
    await site.must('start', 'tiny-chat', 'server');
    expect(await service()).toMatchObject({ state: { state: 'running' }, drift: [] });
  });

  it('upgrades and returns without one failed request, beside the old group where there is room', async () => {
    const { json } = await site.must('plan', 'tiny-chat@1.1.0');
    expect(json.plan.outage?.services ?? []).toEqual([]);
    const client = askWithoutPause(await question());
    const said: string[] = [];
    const says = (wanted: string): Promise<true> =>
      until(wanted, 20, async () => {
        said.push(...client.take().map((each) => answerText(each) ?? each));
        return said.at(-1) === wanted || undefined;
      });
    try {
      await site.must('install', 'tiny-chat@1.1.0');
      await says(answers.v2);
      await oneGroup();
      await site.must('rollback');
      await says(answers.v1);
    } finally {
      await client.stop();
    }
    expect(new Set(said)).toEqual(new Set([answers.v1, answers.v2]));
    expect(said.length).toBeGreaterThan(50);
    expect((await get('leaderworkersets')).items).toHaveLength(1);
  });

  /** The pods of a group that was replaced have their GPUs until they ended. */
  const oneGroup = (): Promise<true> =>
    until('the end of the old group', 60, async () => {
      return (await get('pods')).items.length === 2 || undefined;
    });

  it('stops the old group first where GPUs are scarce on one of its nodes, and says so in the plan', async () => {
    await oneGroup();
    await cluster.setExtendedResource('n2', GPU, 1);
    const { json } = await site.must('plan', 'tiny-chat@1.1.0');
    expect(json.plan.outage.services).toEqual(['tiny-chat server']);
    await site.must('install', 'tiny-chat@1.1.0');
    expect(await answer()).toBe(answers.v2);
  });

  it('leaves nothing after an uninstall', async () => {
    await site.must('uninstall', 'tiny-chat');
    expect(await clusterObjects(cluster)).toBe('');
    const kinds = 'leaderworkersets,statefulsets,controllerrevisions,pods';
    expect(await cluster.kubectl('get', kinds, '--all-namespaces', '--output=name')).toBe('');
  });

  it('needs no more than the printed Role in one namespace', async (test) => {
    skipUnlessLong(test);
    const namespace = 'models';
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const kubeconfig = await cluster.account('operator', '/CN=operator');
    const service = '  service: NodePort\n  clients: [default]\n';
    site.configure({ kubeconfig, more: `  namespace: ${namespace}\n${service}` });
    await cluster.apply({
      ...{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
    });
    const [role, binding] = (await site.must('doctor', '--role')).json.objects;
    expect(role).toMatchObject({ kind: 'Role', metadata: { namespace } });
    await cluster.apply(role, binding);
    const { json } = await site.must('install', 'tiny-chat@1.0.0');
    expect(json.receipt.outcome).toBe('kept');
    const at = await clientAddress(cluster, namespace, 'tiny-chat-server');
    expect(answerText(await askOnce({ ...completion, ...at }))).toBe(answers.v1);
    await site.must('install', 'tiny-chat@1.1.0');
    expect((await site.must('status')).json.services).toMatchObject([
      { state: { state: 'running' }, drift: [], readiness: { ready: true } },
    ]);
    const rules = role.rules.filter(
      ({ resources }: { resources: string[] }) => !resources.includes('leaderworkersets'),
    );
    await cluster.apply({ ...role, rules });
    const refused = await site.run('plan', 'tiny-chat@1.0.0');
    expect(refused.status).toBe(4);
    expect(refused.stdout).toContain('leaderworkersets.leaderworkerset.x-k8s.io in models');
    await cluster.apply(role);
    await site.must('uninstall', 'tiny-chat');
    const ours = ['--selector', 'app.kubernetes.io/managed-by=stowage', '--output=name'];
    const kinds = 'leaderworkersets,services,configmaps,secrets,networkpolicies';
    expect(await cluster.kubectl('get', kinds, '-n', namespace, ...ours)).toBe('');
  });
});
