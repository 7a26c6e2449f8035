import { describe, expect, it } from 'vitest';
import type { Placed } from '../../../../src/target/kubernetes/api/object-api.ts';
import { adopt } from '../../../../src/target/kubernetes/objects/adopt.ts';
import { restoreOriginal } from '../../../../src/target/kubernetes/objects/restore-original.ts';
import { expectCode } from '../../../support/error.ts';
import { type ObjectServer, objectServer, type Refusal } from '../../../support/object-server.ts';

const { signal } = new AbortController();
const managed = [{ manager: 'helm', operation: 'Update', apiVersion: 'v1', fieldsV1: {} }];
const placedAs = (apiVersion: string, kind: string): Placed => ({
  resource: { apiVersion, kind, plural: `${kind.toLowerCase()}s`, namespaced: true },
  ...{ namespace: 'gear', name: 'a' },
});
const objectOf = (apiVersion: string, kind: string, rest: object, metadata: object = {}) => ({
  ...{ apiVersion, kind, metadata: { name: 'a', namespace: 'gear', ...metadata } },
  ...rest,
});
const original = (apiVersion: string, kind: string, rest: object, metadata: object = {}) =>
  objectOf(apiVersion, kind, rest, { uid: '1', managedFields: managed, ...metadata });

/** Gives an object back to whom it was adopted from. @returns the server, and what a person is warned of */
async function restored(
  before: ReturnType<typeof objectOf>,
  now: object | undefined,
  refuse?: Parameters<typeof objectServer>[2],
): Promise<{ server: ObjectServer; warnings: string[] }> {
  const placed = placedAs(before.apiVersion, before.kind);
  const server = objectServer(placed, now, refuse);
  const warnings: string[] = [];
  const warn = (text: string): number => warnings.push(text);
  await restoreOriginal({ api: server.api, warn }, { placed, before }, signal);
  return { server, warnings };
}

/** Refuses every PUT in which one of these fields differs from the object, and names it so. */
const fixed =
  (fields: Readonly<Record<string, string>>) =>
  (method: string, body: object, { object }: { object: object }): Refusal | undefined => {
    if (method !== 'PUT') return undefined;
    const at = (of: object, path: string): string =>
      JSON.stringify(path.split('.').reduce((each, name) => Object(each)[name], of)) ?? '';
    const wrong = Object.keys(fields).filter((each) => at(body, each) !== at(object, each));
    if (wrong.length === 0) return undefined;
    return { status: 422, reason: 'Invalid', fields: wrong.map((each) => fields[each] ?? '') };
  };

describe('when the server does not let a field of an adopted object change back', () => {
  const claim = (storage: string, mode: string) => ({
    spec: { accessModes: [mode], resources: { requests: { storage } } },
  });
  const set = (replicas: number, name: string) => ({
    spec: { replicas, serviceName: name, volumeClaimTemplates: [{ metadata: { name } }] },
  });
  const service = (clusterIP: string, port: number) => ({
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port }] },
  });
  const job = (image: string, parallelism: number) => ({
    spec: { parallelism, template: { spec: { containers: [{ image }] } } },
  });
  it.each<
    [
      what: string,
      kind: readonly [apiVersion: string, kind: string],
      states: { before: object; now: object; after: object },
      fields: Readonly<Record<string, string>>,
      named: string,
    ]
  >([
    [
      'the size of a claim that was enlarged',
      ['v1', 'PersistentVolumeClaim'],
      { before: claim('1Gi', 'x'), now: claim('2Gi', 'x'), after: claim('2Gi', 'x') },
      { 'spec.resources.requests.storage': 'spec.resources.requests.storage' },
      'spec.resources.requests.storage',
    ],
    [
      'a claim that is bound by now',
      ['v1', 'PersistentVolumeClaim'],
      {
        before: { spec: { accessModes: ['x'] } },
        now: { spec: { accessModes: ['x'], volumeName: 'v' } },
        after: { spec: { accessModes: ['x'], volumeName: 'v' } },
      },
      { 'spec.volumeName': 'spec' },
      'spec',
    ],
    [
      'the claims of a StatefulSet, but its replicas change back',
      ['apps/v1', 'StatefulSet'],
      { before: set(1, 'old'), now: set(3, 'new'), after: set(1, 'new') },
      { 'spec.serviceName': 'spec', 'spec.volumeClaimTemplates': 'spec' },
      'spec.serviceName, spec.selector, spec.podManagementPolicy, spec.volumeClaimTemplates',
    ],
    [
      'the address of a Service, but its ports change back',
      ['v1', 'Service'],
      {
        before: service('10.0.0.1', 80),
        now: service('10.0.0.2', 81),
        after: service('10.0.0.2', 80),
      },
      { 'spec.clusterIPs': 'spec.clusterIPs[0]' },
      'spec.clusterIP, spec.clusterIPs',
    ],
    [
      'the template of a Job',
      ['batch/v1', 'Job'],
      { before: job('a', 1), now: job('b', 2), after: job('b', 1) },
      { 'spec.template': 'spec.template' },
      'spec.template',
    ],
    [
      'an immutable ConfigMap',
      ['v1', 'ConfigMap'],
      {
        before: { data: { a: '1' } },
        now: { data: { a: '2' }, immutable: true },
        after: { data: { a: '2' }, immutable: true },
      },
      { data: 'data', immutable: 'immutable' },
      'data, immutable',
    ],
    [
      'the source of a volume, which the server calls by a name that is no field',
      ['v1', 'PersistentVolume'],
      {
        before: { spec: { nfs: { path: '/a' } } },
        now: { spec: { nfs: { path: '/b' } } },
        after: { spec: { nfs: { path: '/b' } } },
      },
      { 'spec.nfs': 'spec.persistentvolumesource' },
      'spec',
    ],
    [
      'the role of a binding',
      ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
      {
        before: { roleRef: { name: 'a' }, subjects: ['a'] },
        now: { roleRef: { name: 'b' }, subjects: ['b'] },
        after: { roleRef: { name: 'b' }, subjects: ['a'] },
      },
      { roleRef: 'roleRef' },
      'roleRef',
    ],
  ])('restores the rest and says so: %s', async (_, [apiVersion, kind], states, fields, named) => {
    const before = original(apiVersion, kind, states.before, { labels: { by: 'helm' } });
    const now = objectOf(apiVersion, kind, states.now, { labels: { by: 'stowage' } });
    const { server, warnings } = await restored(before, now, fixed(fields));
    expect(server.object()).toMatchObject(states.after);
    expect(server.object().metadata).toMatchObject({
      labels: { by: 'helm' },
      managedFields: managed,
    });
    expect(warnings).toEqual([`${kind} gear/a was restored, except for ${named}`]);
  });

  it('restores without a warning what may change back', async () => {
    const before = original('v1', 'ConfigMap', { data: { a: '1' } });
    const now = objectOf('v1', 'ConfigMap', { data: { a: '2', b: '3' } });
    const { server, warnings } = await restored(before, now);
    expect(server.object().data).toEqual({ a: '1' });
    expect(warnings).toEqual([]);
  });

  it.each<[what: string, refusal: Refusal]>([
    ['a policy', { status: 403, reason: 'Forbidden', message: 'denied the request' }],
    ['a webhook that names no field', { status: 422, reason: 'Invalid' }],
    ['all that it has, again and again', { status: 422, reason: 'Invalid', fields: ['data.a'] }],
    ['its labels', { status: 422, reason: 'Invalid', fields: ['metadata.labels'] }],
  ])('fails where the server refuses %s', async (_, refusal) => {
    const before = original('v1', 'ConfigMap', { data: { a: '1' } });
    const now = objectOf('v1', 'ConfigMap', { data: { a: '2' } });
    const refuse = (method: string): Refusal | undefined =>
      method === 'PUT' ? refusal : undefined;
    await expectCode(() => restored(before, now, refuse), 'engine-failed');
  });
});

describe('when the definition of adopted objects has a newer version', () => {
  it('keeps it where the server says that objects are stored in it', async () => {
    const versions = (...names: readonly string[]) => ({
      spec: { versions: names.map((name) => ({ name, served: true, storage: name === 'v1' })) },
    });
    const kind = ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'] as const;
    const before = original(...kind, versions('v1'));
    const now = objectOf(...kind, versions('v1', 'v2'));
    const { server, warnings } = await restored(
      before,
      now,
      fixed({ 'spec.versions': 'status.storedVersions[1]' }),
    );
    expect(server.object()).toMatchObject(versions('v1', 'v2'));
    expect(warnings).toHaveLength(1);
  });
});

describe('when a controller writes an object while it is restored', () => {
  /** The controller writes a status before these requests, counted by method. */
  const busy = (method: string, times: number) => {
    let left = times;
    return (asked: string, _: object, server: { object: { metadata: object } }): undefined => {
      if (asked !== method || left === 0) return;
      left -= 1;
      const version = `of-controller-${left}`;
      const { object } = server;
      server.object = { ...object, metadata: { ...object.metadata, resourceVersion: version } };
      Object.assign(server.object, { status: { seen: left } });
    };
  };
  const before = original('v1', 'ConfigMap', { data: { a: '1' } });
  const now = objectOf('v1', 'ConfigMap', { data: { a: '2' } });

  it.each(['PUT', 'PATCH'])('tries %s again', async (method) => {
    const { server } = await restored(before, now, busy(method, 3));
    expect(server.object()).toMatchObject({
      data: { a: '1' },
      metadata: { managedFields: managed },
    });
    expect(server.methods.filter((each) => each === method)).toHaveLength(4);
  });

  it.each(['PUT', 'PATCH'])('ends if each %s is too late', async (method) => {
    await expectCode(() => restored(before, now, busy(method, 1000)), 'engine-failed');
  });
});

describe('when an adopted object is gone', () => {
  const uid = { 'batch.kubernetes.io/controller-uid': '1', 'controller-uid': '1' };
  const job = (status: object) =>
    original('batch/v1', 'Job', {
      spec: {
        selector: { matchLabels: uid },
        template: { metadata: { labels: { ...uid, app: 'a' } }, spec: {} },
      },
      status,
    });

  it('creates a Job that did not end without the selector of the old one', async () => {
    const { server } = await restored(job({ active: 1 }), undefined);
    expect(server.object().spec).toEqual({
      template: { metadata: { labels: { app: 'a' } }, spec: {} },
    });
    expect(server.object()).not.toHaveProperty('metadata.uid');
  });

  it.each([
    ['a Job that completed', job({ conditions: [{ type: 'Complete', status: 'True' }] })],
    ['a Job that failed', job({ conditions: [{ type: 'Failed', status: 'True' }] })],
    ['a pod that ended', original('v1', 'Pod', { status: { phase: 'Succeeded' } })],
  ])('does not run again %s', async (_, before) => {
    const { server } = await restored(before, undefined);
    expect(server.object()).toBeUndefined();
    expect(server.methods).toEqual(['GET']);
  });

  it.each([
    ['chosen by the cluster', { 'pv.kubernetes.io/bound-by-controller': 'yes' }, {}],
    ['that the claim names', {}, { volumeName: 'v' }],
  ])('creates a claim without the binding to a volume %s', async (_, annotations, spec) => {
    const before = original(
      ...(['v1', 'PersistentVolumeClaim', { spec: { volumeName: 'v' } }] as const),
      { annotations: { ...annotations, 'pv.kubernetes.io/bind-completed': 'yes', own: 'x' } },
    );
    const { server } = await restored(before, undefined);
    expect(server.object().spec).toEqual(spec);
    expect(server.object().metadata.annotations).toEqual({ own: 'x' });
  });

  it.each([
    ['10.0.0.1', {}],
    ['None', { clusterIP: 'None', clusterIPs: ['None'] }],
  ])('creates a Service whose address %s another one has with a new one', async (ip, kept) => {
    const before = original('v1', 'Service', {
      spec: { clusterIP: ip, clusterIPs: [ip], ports: [{ port: 80, nodePort: 30080 }], type: 'x' },
    });
    let attempts = 0;
    const refuse = (method: string): Refusal | undefined => {
      attempts += method === 'POST' ? 1 : 0;
      return method === 'POST' && attempts === 1
        ? { status: 422, fields: ['spec.clusterIPs'] }
        : undefined;
    };
    const { server, warnings } = await restored(before, undefined, refuse);
    expect(server.object().spec).toEqual({ ...kept, type: 'x', ports: [{ port: 80 }] });
    expect(warnings).toEqual(['Service gear/a was restored with another address']);
  });
});

describe('when an object is adopted', () => {
  const placed = placedAs('apps/v1', 'Deployment');
  const found = original('apps/v1', 'Deployment', { spec: { replicas: 1 } });
  const write = (change: object) => {
    let isDone = false;
    return (method: string, _: object, server: { object: typeof found }): undefined => {
      if (method !== 'PATCH' || isDone) return;
      isDone = true;
      const metadata = { ...server.object.metadata, resourceVersion: '77' };
      server.object = { ...server.object, ...change, metadata };
    };
  };
  const adopted = async (refuse?: Parameters<typeof objectServer>[2]) => {
    const server = objectServer(placed, found, refuse);
    await adopt(server.api, { placed, found: server.object(), isForeign: true }, signal);
    return server;
  };

  it('does so while its controller writes its status', async () => {
    const server = await adopted(write({ status: { readyReplicas: 1 } }));
    expect(server.object()).toMatchObject({
      metadata: {
        annotations: { 'stowage.dev/taken-over': 'true' },
        managedFields: [{ manager: 'stowage', operation: 'Apply' }],
      },
    });
  });

  it('fails if somebody changes it after it was recorded', async () => {
    const error = await expectCode(
      () => adopted(write({ spec: { replicas: 5 } })),
      'engine-failed',
    );
    expect(error.found).toBe('other content');
  });

  it('fails if somebody deletes it', async () => {
    const gone = (method: string, _: object, server: { object: unknown }): undefined => {
      if (method === 'PATCH') server.object = undefined;
    };
    const error = await expectCode(() => adopted(gone), 'engine-failed');
    expect(error.found).toBe('it was deleted');
  });

  it('is content with an attempt whose answer was lost', async () => {
    const server = await adopted();
    const earlier = { ...found, metadata: { ...found.metadata, resourceVersion: '2' } };
    await adopt(server.api, { placed, found: earlier, isForeign: true }, signal);
    expect(server.methods).toEqual(['PATCH', 'PATCH', 'GET']);
  });
});
