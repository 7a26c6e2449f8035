import { describe, expect, it } from 'vitest';
import { OwnedPods, ownedFailure } from '../../../../src/target/kubernetes/objects/owned-pods.ts';
import type { Pod } from '../../../../src/target/kubernetes/pods.ts';
import { MemoryCluster } from '../../../support/memory-cluster.ts';

const { signal } = new AbortController();
const NAMESPACE = 'gear';
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const service = { kind: 'Gadget', metadata: { name: 'first', uid: 'the-gadget' } };

interface Reference {
  readonly kind: string;
  readonly name: string;
  readonly uid?: string;
}

const owned = (name: string, owners: readonly Reference[], labels: object = {}): object => ({
  metadata: {
    ...{ name, namespace: NAMESPACE, labels, uid: name },
    ownerReferences: owners.map((each) => ({ apiVersion: 'apps/v1', uid: each.name, ...each })),
  },
});
const gadget = { kind: 'Gadget', name: 'first', uid: 'the-gadget' };

describe('when the pods of a custom resource are looked for', () => {
  const cluster = new MemoryCluster();
  cluster.objects.set(`${DEPLOYMENTS}/chat`, owned('chat', [gadget]));
  cluster.objects.set(
    `${DEPLOYMENTS}/other`,
    owned('other', [{ kind: 'Deployment', name: 'top' }]),
  );
  cluster.objects.set(`${DEPLOYMENTS}/top`, owned('top', []));
  const replicas = (name: string): object =>
    owned(name, [{ kind: 'ReplicaSet', name: name.slice(0, -2) }], { 'pod-template-hash': '5d4f' });
  cluster.objects.set(`${PODS}/direct`, owned('direct', [gadget]));
  cluster.objects.set(`${PODS}/chat-5d4f-a`, replicas('chat-5d4f-a'));
  cluster.objects.set(`${PODS}/other-5d4f-a`, replicas('other-5d4f-a'));
  cluster.objects.set(`${PODS}/gone-5d4f-a`, replicas('gone-5d4f-a'));
  cluster.objects.set(`${PODS}/free`, owned('free', []));
  // Objects that own each other.
  cluster.objects.set(`${DEPLOYMENTS}/a`, owned('a', [{ kind: 'Deployment', name: 'b' }]));
  cluster.objects.set(`${DEPLOYMENTS}/b`, owned('b', [{ kind: 'Deployment', name: 'a' }]));
  cluster.objects.set(`${PODS}/circle`, owned('circle', [{ kind: 'Deployment', name: 'a' }]));

  it('finds those that it owns, directly or through what it made, and no others', async () => {
    const pods = await new OwnedPods(cluster.api).of(service, NAMESPACE, signal);
    expect(pods.map(({ name }) => name).toSorted()).toEqual(['chat-5d4f-a', 'direct']);
  });

  it('reads pods once until it is told to read them anew, and owners once', async () => {
    const pods = new OwnedPods(cluster.api);
    const reads = async (): Promise<string[]> => {
      const before = cluster.requests.length;
      await pods.of(service, NAMESPACE, signal);
      return cluster.requests.slice(before);
    };
    await reads();
    // What is not there is looked for again.
    expect(await reads()).toEqual([`GET ${DEPLOYMENTS}/gone`]);
    pods.refresh();
    expect(await reads()).toEqual([`GET ${PODS}`, `GET ${DEPLOYMENTS}/gone`]);
  });

  it('does not find those whose owners the account may not read', async () => {
    cluster.before = (request) =>
      request.includes('/deployments/') ? { status: 403, message: 'forbidden' } : undefined;
    const pods = await new OwnedPods(cluster.api).of(service, NAMESPACE, signal);
    expect(pods.map(({ name }) => name)).toEqual(['direct']);
  });
});

describe('when such a pod does not get ready', () => {
  const pod = (values: Partial<Pod>): Pod => ({
    ...{ name: 'chat-1', ready: false, deleted: false, restarts: 0, container: 'main' },
    owners: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'chat' }],
    ...values,
  });
  const ended = { reason: 'Error', exitCode: 3, message: '' };
  const backOff = { reason: 'CrashLoopBackOff', message: 'back-off' };
  const absent = { reason: 'ErrImagePull', message: 'r/x:1: not found' };
  const crash = {
    found: 'the process of pod chat-1 exits again and again: exit code 3',
    hint: expect.stringContaining('last that it wrote'),
    mayPass: true,
  };

  it.each([
    ['is ended with an error and waits', [pod({ restarts: 2, ended, waiting: backOff })], crash],
    ['was started again after an error', [pod({ restarts: 2, ended })], crash],
    ['ended for the first time', [pod({ ended })], undefined],
    ['ended well', [pod({ restarts: 1, ended: { ...ended, exitCode: 0 } })], undefined],
    ['takes its time', [pod({})], undefined],
    ['is ready after errors', [pod({ restarts: 2, ended, ready: true })], undefined],
    ['is being removed', [pod({ restarts: 2, ended, deleted: true })], undefined],
    ['belongs to the version before', [pod({ waiting: absent }), pod({ name: 'new' })], undefined],
  ])('judges one that %s', (_, pods, failure) => {
    expect(ownedFailure(pods)).toEqual(failure);
  });

  it('takes what does not pass before what may, of any owner', () => {
    const other = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'store' }];
    const pods = [pod({ waiting: absent, owners: other }), pod({ restarts: 2, ended })];
    expect(ownedFailure(pods)).toMatchObject({
      ...{ found: 'the registry has no such image', mayPass: false },
    });
  });
});
