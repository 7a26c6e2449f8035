import { describe, expect, it } from 'vitest';
import { fieldsOf, listOf } from '../../../src/core/json.ts';
import type { Cluster, Selection } from '../../../src/target/kubernetes/api/cluster.ts';
import { demandOf } from '../../../src/target/kubernetes/capacity.ts';
import { deploymentOf } from '../../../src/target/kubernetes/deployed.ts';
import { objectDrift } from '../../../src/target/kubernetes/drift.ts';
import { parentObject } from '../../../src/target/kubernetes/namespace.ts';
import {
  podTemplatesOf,
  readyReplicasOf,
  workloadKindOf,
} from '../../../src/target/kubernetes/workload-kinds.ts';
import { bundleFrom, clusterSite, twoServices, workload } from './rendered.ts';

const { signal } = new AbortController();
const back = '    mounts: [{ model: tiny, path: /models/tiny }]\n';
const fields = [
  "args: [--nnodes, '${nodes.count}', --node-rank, '${nodes.rank}', --master, '${nodes.leader}', '$(A)']",
  'env: { A_RANK: "${nodes.rank}" }',
  'gpus: 2',
  "nodes: { count: 3, ports: [29500, 9000], worker: { args: ['${nodes.rank}', '${nodes.leader}:29500', '$(A)'] } }",
];
/** The service `back` on three nodes. */
const spanning = twoServices.replace(
  back,
  `${back}${fields.map((each) => `    ${each}\n`).join('')}`,
);

function rendered(text = spanning, settings = clusterSite()) {
  const found = workload(bundleFrom(text), settings);
  const service = found.services.find(({ name }) => name.startsWith('ba'));
  if (service === undefined) throw new Error('no service');
  const [leader, worker] = podTemplatesOf(service.deployment);
  return { ...found, workload: found, service, leader, worker };
}

function containerOf(template: { template: object } | undefined) {
  const [container = {}] = listOf(fieldsOf(fieldsOf(template?.template)['spec'])['containers']);
  return container;
}

const cluster = {
  get: async ({ name }: { name: string }) => ({ spec: { clusterIP: `ip-of-${name}` } }),
} as unknown as Cluster;

describe('when a service spans several nodes', () => {
  it('is a LeaderWorkerSet of one group, named after all that its pods are', () => {
    const { service } = rendered();
    expect(service.deployment).toMatchObject({
      apiVersion: 'leaderworkerset.x-k8s.io/v1',
      kind: 'LeaderWorkerSet',
      metadata: { name: expect.stringMatching(/^back-[0-9a-f]{8}$/) },
      spec: {
        replicas: 1,
        leaderWorkerTemplate: { size: 3, restartPolicy: 'RecreateGroupOnPodRestart' },
      },
    });
    const others = [
      spanning.replace('count: 3', 'count: 2'),
      spanning.replace(':29500', ':9000'),
      spanning.replace('[29500, 9000]', '[29500]').replace('--master', '--other'),
    ].map((text) => rendered(text).service.deployment.metadata.name);
    expect(new Set([service.deployment.metadata.name, ...others]).size).toBe(4);
  });

  it('leaves other services as they are', () => {
    const kinds = rendered().services.map(({ deployment }) => deployment.kind);
    expect(kinds).toEqual(['LeaderWorkerSet', 'Deployment']);
  });

  it('fits a name in 63 characters with what the controller appends', () => {
    const long = spanning.replaceAll('back', `b${'a'.repeat(50)}`);
    const { deployment } = rendered(long, clusterSite({ namespace: 'models' })).service;
    expect(deployment.metadata.name).toMatch(/^chat-ba+-[0-9a-f]{6}-[0-9a-f]{8}$/);
    expect(deployment.metadata.name).toHaveLength(50);
  });

  it('tells leader and workers their rank and the leader, and nothing that the manifest means literally', () => {
    const { leader, worker } = rendered();
    const { args, env } = containerOf(leader);
    expect(args).toEqual([
      ...['--nnodes', '3', '--node-rank', '0', '--master', '$(STOWAGE_LEADER)', '$$(A)'],
    ]);
    expect(listOf(env)[0]).toEqual({
      name: 'STOWAGE_LEADER',
      valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
    });
    expect(listOf(env)).toContainEqual({ name: 'A_RANK', value: '0' });
    const other = containerOf(worker);
    expect(other['args']).toEqual(['$(LWS_WORKER_INDEX)', 'back:29500', '$$(A)']);
    expect(listOf(other['env'])).toContainEqual({ name: 'A_RANK', value: '$(LWS_WORKER_INDEX)' });
  });

  it('probes the leader only, and gives the workers the same mounts, limits and rights', () => {
    const { leader, worker } = rendered();
    const [one, two] = [leader, worker].map(containerOf);
    expect(one).toHaveProperty('readinessProbe');
    expect(two).not.toHaveProperty('readinessProbe');
    expect(two).not.toHaveProperty('startupProbe');
    for (const field of ['image', 'resources', 'securityContext', 'volumeMounts'])
      expect(two?.[field]).toEqual(one?.[field]);
    const specs = [leader, worker].map((each) => fieldsOf(fieldsOf(each?.template)['spec']));
    for (const field of ['volumes', 'securityContext', 'dnsPolicy', 'affinity'])
      expect(specs[1]?.[field]).toEqual(specs[0]?.[field]);
  });

  it('sends clients and peers to the leader', () => {
    const { service, objects } = rendered();
    const selector = {
      'stowage.dev/specification': service.deployment.metadata.name,
      'stowage.dev/role': 'leader',
    };
    expect(service.service?.['spec']).toMatchObject({ selector });
    const peer = objects.find(({ metadata }) => metadata.name === service.peers['back']);
    expect(peer).toMatchObject({
      kind: 'Service',
      metadata: { name: expect.stringMatching(/^back-leader-[0-9a-f]{8}$/) },
      spec: { selector, publishNotReadyAddresses: true },
    });
    const ports = listOf(fieldsOf(peer?.['spec'])['ports']).map(({ port }) => port);
    expect(ports.toSorted()).toEqual([29_500, 9000].toSorted());
  });

  it('lets the pods of the group connect to each other, also where the release has no other service', () => {
    const alone = spanning.replace(/ {2}- name: front[\s\S]*?(?= {2}- name: back)/, '');
    const { objects, services } = rendered(alone);
    expect(services).toHaveLength(1);
    const policy = objects.find(({ metadata }) => metadata.name.startsWith('isolated'));
    const all = {
      podSelector: { matchLabels: expect.objectContaining({ 'stowage.dev/release': 'chat' }) },
    };
    expect(policy?.['spec']).toMatchObject({ ingress: [{ from: [all] }], egress: [{ to: [all] }] });
  });

  it('knows the leader by an address of the cluster, under both names', async () => {
    const { workload: whole, service } = rendered();
    const object = await deploymentOf(cluster, whole, service, signal);
    const name = object.metadata.name;
    const address = `${name}-0.${name}.stowage-chat`;
    const [leader, worker] = podTemplatesOf(object).map(
      ({ template }) => fieldsOf(template['spec'])['hostAliases'],
    );
    const front = { ip: `ip-of-${service.peers['front']}`, hostnames: ['front'] };
    expect(leader).toEqual([front, { ip: '127.0.0.1', hostnames: [address] }]);
    expect(worker).toEqual([
      front,
      { ip: `ip-of-${service.peers['back']}`, hostnames: ['back', address] },
    ]);
  });

  it('needs a node for each pod', () => {
    expect(demandOf(rendered().service.deployment)).toMatchObject({
      ...{ apart: true, replicas: 3, request: { 'nvidia.com/gpu': 2 } },
    });
  });

  it('names its kind in the ApplySet while either generation has it', () => {
    const kinds = (object: { metadata: { annotations?: object } }): string =>
      JSON.stringify(object.metadata.annotations);
    const [old, next] = [workload(bundleFrom(twoServices)), rendered().workload];
    const kind = 'LeaderWorkerSet.leaderworkerset.x-k8s.io';
    expect(kinds(parentObject(old))).not.toContain(kind);
    expect(kinds(parentObject(next))).toContain(kind);
    expect(kinds(parentObject(old, next))).toContain(kind);
  });

  it('shows as drift what somebody changed in the pods of its workers', () => {
    const { service } = rendered();
    const found = structuredClone(service.deployment);
    Object.assign(
      listOf(fieldsOf(fieldsOf(podTemplatesOf(found)[1]?.template)['spec'])['containers'])[0] ?? {},
      {
        image: 'evil',
      },
    );
    expect(objectDrift(service.deployment, found)).toMatchObject([
      {
        field: expect.stringContaining('workerTemplate.spec.containers[name=back].image'),
        found: 'evil',
      },
    ]);
  });
});

describe('when the status of a LeaderWorkerSet is read', () => {
  const kind = workloadKindOf({ kind: 'LeaderWorkerSet' });
  const found = (status: object) => {
    const metadata = {
      name: 'back-1',
      namespace: 'chat',
      creationTimestamp: '2026-11-29T10:00:00Z',
    };
    return { metadata: { generation: 1, ...metadata }, status };
  };
  const events = (...list: readonly object[]): Cluster => {
    const fake = {
      async *list({ fields = '' }: Selection) {
        yield* fields.includes('=back-1-0,') ? list : [];
      },
    };
    return fake as unknown as Cluster;
  };

  it.each([
    ['a group of which every pod is ready', { updatedReplicas: 1, readyReplicas: 1 }, 1],
    ['a group that starts', { updatedReplicas: 1 }, 0],
    ['a group of another template', { readyReplicas: 1 }, 0],
    ['nothing yet', {}, 0],
  ])('counts %s', (_, status, ready) => {
    expect(readyReplicasOf({ kind: 'LeaderWorkerSet' }, found(status))).toBe(ready);
  });

  it('says that no controller acts on it, as long as none does', async () => {
    expect(await kind.withoutPods(events(), found({}), signal)).toMatchObject({
      found: 'no controller acts on LeaderWorkerSet back-1',
      mayPass: true,
    });
    const acting = found({ conditions: [{ type: 'Progressing' }] });
    expect(await kind.withoutPods(events(), acting, signal)).toBeUndefined();
  });

  it.each([
    ['a policy', 'pods "back-1-0-1" is forbidden: violates PodSecurity', false],
    ['a quota', 'pods "back-1-0-1" is forbidden: exceeded quota: small', true],
    ['a webhook', 'admission webhook "a.b" denied the request', false],
    ['a webhook that does not answer', 'failed calling webhook "mpod.kb.io"', true],
  ])(
    'says which pod %s refuses, by the events of its StatefulSets',
    async (_, message, mayPass) => {
      const now = { lastTimestamp: '2026-11-29T10:00:01Z', message };
      const before = {
        lastTimestamp: '2026-11-29T09:59:59Z',
        message: 'it is forbidden: an earlier object',
      };
      expect(await kind.withoutPods(events(before, now), found({}), signal)).toMatchObject({
        found: expect.stringContaining(message),
        mayPass,
      });
      const acting = found({ conditions: [{ type: 'Progressing' }] });
      expect(await kind.withoutPods(events(before), acting, signal)).toBeUndefined();
      const deleted = {
        ...now,
        message: 'object is being deleted: pods "back-1-0-1" already exists',
      };
      expect(await kind.withoutPods(events(deleted), acting, signal)).toBeUndefined();
    },
  );
});
