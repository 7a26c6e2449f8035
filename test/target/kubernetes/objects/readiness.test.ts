import { describe, expect, it } from 'vitest';
import { unready } from '../../../../src/target/kubernetes/objects/readiness.ts';

const found = (apiVersion: string, kind: string, spec: object, status: object): object => ({
  ...{ apiVersion, kind, metadata: { name: 'a', generation: 2 } },
  ...{ spec, status: { observedGeneration: 2, ...status } },
});
const apps = (kind: string, spec: object, status: object): object =>
  found('apps/v1', kind, spec, status);
const condition = (type: string, status: string, more: object = {}): object => ({
  conditions: [{ type, status, ...more }],
});

describe('when objects are judged', () => {
  it.each([
    [
      'a Deployment',
      apps('Deployment', { replicas: 2 }, { replicas: 2, updatedReplicas: 2, readyReplicas: 2 }),
    ],
    ['a paused Deployment', apps('Deployment', { replicas: 2, paused: true }, { replicas: 1 })],
    ['a Deployment of nothing', apps('Deployment', { replicas: 0 }, {})],
    [
      'a StatefulSet',
      apps('StatefulSet', { replicas: 1 }, { updatedReplicas: 1, readyReplicas: 1 }),
    ],
    [
      'a StatefulSet that is updated in part',
      apps(
        'StatefulSet',
        { replicas: 2, updateStrategy: { rollingUpdate: { partition: 1 } } },
        { updatedReplicas: 1, readyReplicas: 2 },
      ),
    ],
    ['a DaemonSet without a node', apps('DaemonSet', {}, { desiredNumberScheduled: 0 })],
    ['a Job that completed', found('batch/v1', 'Job', {}, condition('Complete', 'True'))],
    ['a suspended Job', found('batch/v1', 'Job', { suspend: true }, {})],
    ['a pod that ended', found('v1', 'Pod', {}, { phase: 'Succeeded' })],
    ['a bound claim', found('v1', 'PersistentVolumeClaim', {}, { phase: 'Bound' })],
    [
      'an established definition',
      found(
        'apiextensions.k8s.io/v1',
        'CustomResourceDefinition',
        {},
        {
          conditions: [
            { type: 'NamesAccepted', status: 'True' },
            { type: 'Established', status: 'True' },
          ],
        },
      ),
    ],
    ['a kind without anything to wait for', found('v1', 'ConfigMap', {}, {})],
    ['a Deployment of another API', found('demo.example/v1', 'Deployment', { replicas: 5 }, {})],
  ])('is ready: %s', (_, object) => {
    expect(unready(object as never)).toBeUndefined();
  });

  it.each([
    [
      '1 of 2 pods ready',
      apps('Deployment', { replicas: 2 }, { replicas: 2, updatedReplicas: 2, readyReplicas: 1 }),
    ],
    [
      'not yet removed: 1 pod of the previous version',
      apps('Deployment', { replicas: 1 }, { replicas: 2, updatedReplicas: 1, readyReplicas: 1 }),
    ],
    [
      'not seen by its controller yet',
      apps(
        'Deployment',
        { replicas: 1 },
        { observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1 },
      ),
    ],
    [
      '1 of 2 pods ready',
      apps('StatefulSet', { replicas: 2 }, { updatedReplicas: 1, readyReplicas: 2 }),
    ],
    [
      '0 of 1 pod ready',
      apps(
        'DaemonSet',
        {},
        { desiredNumberScheduled: 1, updatedNumberScheduled: 0, numberReady: 1 },
      ),
    ],
    ['it runs', found('batch/v1', 'Job', {}, {})],
    [
      'it failed: too often',
      found('batch/v1', 'Job', {}, condition('Failed', 'True', { message: 'too often' })),
    ],
    ['it is Pending', found('v1', 'Pod', {}, {})],
    ['it is Pending', found('v1', 'PersistentVolumeClaim', {}, {})],
    ['it is Lost', found('v1', 'PersistentVolumeClaim', {}, { phase: 'Lost' })],
    ['it is being deleted', found('v1', 'Namespace', {}, { phase: 'Terminating' })],
    ['it is Failed', found('v1', 'Pod', {}, { phase: 'Failed' })],
    [
      'condition NamesAccepted is False: taken',
      found(
        ...(['apiextensions.k8s.io/v1', 'CustomResourceDefinition', {}] as const),
        condition('NamesAccepted', 'False', { message: 'taken' }),
      ),
    ],
    [
      'condition Available is False: no endpoints',
      found(
        ...(['apiregistration.k8s.io/v1', 'APIService', {}] as const),
        condition('Available', 'False', { reason: 'no endpoints' }),
      ),
    ],
    ['no condition Available yet', found('apiregistration.k8s.io/v1', 'APIService', {}, {})],
  ])('says %s', (expected, object) => {
    expect(unready(object as never)).toBe(expected);
  });
});

describe('when a custom resource is ready by a condition', () => {
  const readyWhen = [{ kind: 'Gadget', group: 'demo.example', condition: 'Ready', status: 'True' }];
  const gadget = (status: object): unknown =>
    unready(found('demo.example/v1', 'Gadget', {}, status) as never, readyWhen);

  it.each([
    ['no condition Ready yet', {}],
    ['condition Ready is False: no GPU', condition('Ready', 'False', { message: 'no GPU' })],
    [
      'condition Ready is True, of an older version',
      condition('Ready', 'True', { observedGeneration: 1 }),
    ],
    [
      'condition Ready is True, of an older version',
      { ...condition('Ready', 'True'), observedGeneration: 1 },
    ],
  ])('says %s', (expected, status) => {
    expect(gadget(status)).toBe(expected);
  });

  it('is ready with it, and other groups have no such condition', () => {
    expect(gadget(condition('Ready', 'True'))).toBeUndefined();
    expect(
      unready(found('other.example/v1', 'Gadget', {}, {}) as never, readyWhen),
    ).toBeUndefined();
  });
});
