import { describe, expect, it } from 'vitest';
import type { KubernetesObject } from '../../../src/format/kubernetes.ts';
import { objectDrift } from '../../../src/target/kubernetes/drift.ts';

const wanted: KubernetesObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'server-1', namespace: 'chat', labels: { site: 'a' } },
  spec: {
    replicas: 1,
    template: {
      spec: {
        containers: [
          {
            name: 'server',
            image: 'x@sha256:1',
            env: [{ name: 'KEY', value: 'one' }],
            args: ['a', 'b'],
          },
        ],
        volumes: [{ name: 'tmp', emptyDir: {} }],
      },
    },
  },
};

/** What a server returns for it: defaults, and fields in another order. */
function live(
  change: (object: ReturnType<typeof structuredClone<typeof base>>) => void = () => {},
) {
  const copy = structuredClone(base);
  change(copy);
  return copy;
}

const base = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'server-1',
    uid: 'x',
    labels: { site: 'a', more: 'b' } as Record<string, string>,
    managedFields: [
      { manager: 'stowage', operation: 'Apply', fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
      {
        ...{ manager: 'kube-controller-manager', operation: 'Update' },
        fieldsV1: { 'f:spec': { 'f:paused': {} } },
      },
    ] as object[],
  },
  spec: {
    revisionHistoryLimit: 10,
    replicas: 1,
    template: {
      spec: {
        dnsPolicy: 'ClusterFirst',
        containers: [
          {
            args: ['a', 'b'],
            env: [
              { name: 'OTHER', value: 'y' },
              { value: 'one', name: 'KEY' },
            ],
            image: 'x@sha256:1',
            name: 'server',
          },
        ],
        volumes: [{ name: 'tmp', emptyDir: {} }],
      },
    },
  },
  status: { replicas: 1 },
};

describe('when an object is compared with what was applied', () => {
  it('shows neither defaults of the server nor the order of fields', () => {
    expect(objectDrift(wanted, live())).toEqual([]);
  });

  it('takes an empty text for one that the server leaves out', () => {
    const more = { ...wanted, spec: { ...(wanted['spec'] as object), storageClassName: '' } };
    expect(objectDrift(more, live())).toEqual([]);
  });

  it('names the field, what was applied and what is there', () => {
    const found = live((each) => {
      each.spec.replicas = 3;
    });
    expect(objectDrift(wanted, found)).toEqual([
      { field: 'Deployment server-1 spec.replicas', expected: '1', found: '3' },
    ]);
  });

  it('never shows the value of a variable', () => {
    const found = live((each) => {
      const [one] = each.spec.template.spec.containers;
      if (one !== undefined) one.env = [{ name: 'KEY', value: 'a secret' }];
    });
    const drift = objectDrift(wanted, found);
    expect(drift).toMatchObject([{ field: expect.stringContaining('env[name=KEY]') }]);
    expect(JSON.stringify(drift)).not.toContain('secret');
  });

  it('names what was removed from a list, and a changed argument', () => {
    const found = live((each) => {
      const [one] = each.spec.template.spec.containers;
      if (one !== undefined) Object.assign(one, { env: [], args: ['a', 'c'] });
    });
    expect(objectDrift(wanted, found).map((each) => each.found)).toEqual(
      expect.arrayContaining(['removed', 'c']),
    );
  });

  it.each([
    [
      'mounts of one volume',
      'mountPath',
      [
        { name: 'v', mountPath: '/a' },
        { name: 'v', mountPath: '/b' },
      ],
    ],
    [
      'ports of one number',
      'protocol',
      [
        { port: 53, protocol: 'TCP' },
        { port: 53, protocol: 'UDP' },
      ],
    ],
  ])('does not take one entry of a list for another: %s', (_, member, entries) => {
    const spec = (list: readonly object[]) => ({ ...wanted, spec: { list } });
    expect(objectDrift(spec(entries), spec(entries))).toEqual([]);
    const changed = entries.map((each, index) => (index === 1 ? { ...each, [member]: 'x' } : each));
    expect(objectDrift(spec(entries), spec(changed))).toHaveLength(1);
  });

  it('names the manager of a field that nobody but it set', () => {
    const found = live((each) => {
      each.metadata.managedFields.push({
        ...{ manager: 'kubectl-edit', operation: 'Update' },
        fieldsV1: {
          'f:spec': {
            'f:template': {
              'f:spec': { 'f:containers': { 'k:{"name":"spy"}': { '.': {}, 'f:image': {} } } },
            },
          },
        },
      });
    });
    expect(objectDrift(wanted, found)).toEqual([
      {
        field: 'Deployment server-1 spec.template.spec.containers[name=spy].image',
        expected: 'not set',
        found: 'set by kubectl-edit',
      },
    ]);
  });

  it('counts neither annotations nor the status of another manager', () => {
    const found = live((each) => {
      each.metadata.managedFields.push(
        { manager: 'kubectl-annotate', operation: 'Update', fieldsV1: { 'f:metadata': {} } },
        {
          ...{ manager: 'kubelet', operation: 'Update', subresource: 'status' },
          fieldsV1: { 'f:spec': { 'f:odd': {} } },
        },
      );
    });
    expect(objectDrift(wanted, found)).toEqual([]);
  });

  it.each([
    undefined,
    null,
    5,
    'x',
    [],
    { spec: 5 },
    { metadata: { managedFields: [{ fieldsV1: 1 }] } },
  ])('survives an answer that is no such object: %s', (found) => {
    expect(objectDrift(wanted, (found ?? {}) as Record<string, unknown>).length).toBeGreaterThan(0);
  });
});
