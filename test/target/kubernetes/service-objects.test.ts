import { describe, expect, it } from 'vitest';
import { fieldsOf, listOf } from '../../../src/core/json.ts';
import { objectDrift } from '../../../src/target/kubernetes/drift.ts';
import { readyReplicasOf } from '../../../src/target/kubernetes/workload-kinds.ts';
import { bundleFrom, clusterSite, twoServices, workload } from './rendered.ts';

const back = '    mounts: [{ model: tiny, path: /models/tiny }]\n';

/** The service `back` with more fields. */
function scaled(fields: string): string {
  return twoServices.replace(back, `${back}${fields}`);
}

function rendered(fields: string, settings = clusterSite()) {
  const { objects, services } = workload(bundleFrom(scaled(fields)), settings);
  const [service] = services;
  if (service === undefined) throw new Error('no service');
  const spec = fieldsOf(service.deployment['spec']);
  return { objects, spec, pod: fieldsOf(fieldsOf(spec['template'])['spec']), service };
}

describe('when a service has replicas', () => {
  const shape = '    replicas: 3\n    disruption: 1\n    spread: [kubernetes.io/hostname]\n';

  it('has so many pods, spread over the nodes that it may run on', () => {
    const { spec, pod, service } = rendered(shape);
    expect(spec['replicas']).toBe(3);
    expect(pod['topologySpreadConstraints']).toEqual([
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'DoNotSchedule',
        nodeTaintsPolicy: 'Honor',
        labelSelector: { matchLabels: fieldsOf(spec['selector'])['matchLabels'] },
      },
    ]);
    expect(service.deployment.metadata.name).toMatch(/^back-[0-9a-f]{8}$/);
  });

  it('has a budget for the pods of its own generation, which leaves with them', () => {
    const { objects, spec } = rendered(shape);
    const [budget] = objects.filter(({ kind }) => kind === 'PodDisruptionBudget');
    expect(budget).toMatchObject({
      metadata: { name: expect.stringMatching(/^disruption-back-[0-9a-f]{8}$/) },
      spec: { maxUnavailable: 1, selector: spec['selector'] },
    });
    const [other] = rendered(shape.replace('3', '4')).objects.filter(
      ({ kind }) => kind === 'PodDisruptionBudget',
    );
    expect(other?.metadata.name).not.toBe(budget?.metadata.name);
  });

  it.each([
    ['replicas', '    replicas: 2\n', '    replicas: 3\n'],
    ['spread', '    replicas: 2\n', '    replicas: 2\n    spread: [kubernetes.io/hostname]\n'],
    ['requests', '', '    requests: { cpus: 2 }\n'],
  ])('gets another Deployment for other %s, which is never updated', (_, one, two) => {
    const name = (fields: string): string => rendered(fields).service.deployment.metadata.name;
    expect(name(one)).not.toBe(name(two));
    expect(name(one)).toBe(name(one));
  });

  it('keeps the name that it had without these fields', () => {
    const name = (text: string) =>
      workload(bundleFrom(text)).services.map(({ deployment }) => deployment.metadata.name);
    expect(name(scaled(''))).toEqual(name(twoServices));
    expect(rendered('').objects.map(({ kind }) => kind)).not.toContain('PodDisruptionBudget');
  });

  it.each([
    ['', { requests: { cpu: '100m' } }],
    ['    requests: { cpus: 0.5 }\n', { requests: { cpu: '500m' } }],
    ['    requests: { memory: 2GiB }\n', { requests: { cpu: '100m', memory: '2Gi' } }],
    ['    cpus: 2\n', { requests: { cpu: '2' }, limits: { cpu: '2' } }],
    [
      '    cpus: 2\n    memory: 1GiB\n    requests: { cpus: 1 }\n',
      { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2', memory: '1Gi' } },
    ],
  ])('sets aside what %j says', (fields, resources) => {
    expect(listOf(rendered(fields).pod['containers'])[0]?.['resources']).toEqual(resources);
  });

  it('shows as drift what somebody changed in the spread', () => {
    const { service } = rendered(shape);
    const found = structuredClone(service.deployment);
    const [constraint] = listOf(
      fieldsOf(fieldsOf(fieldsOf(found['spec'])['template'])['spec'])['topologySpreadConstraints'],
    );
    Object.assign(constraint ?? {}, { whenUnsatisfiable: 'ScheduleAnyway' });
    const drift = objectDrift(service.deployment, found);
    expect(drift.map(({ field }) => field)).toEqual([
      expect.stringContaining(
        'topologySpreadConstraints[topologyKey=kubernetes.io/hostname].whenUnsatisfiable',
      ),
    ]);
  });
});

describe('when replicas are counted', () => {
  it.each([
    ['all of them', 1, { observedGeneration: 1, updatedReplicas: 3, readyReplicas: 3 }, 3],
    ['some', 1, { observedGeneration: 1, updatedReplicas: 3, readyReplicas: 2 }, 2],
    ['those of the template before', 1, { observedGeneration: 1, readyReplicas: 3 }, 0],
    [
      'a status of an earlier change',
      2,
      { observedGeneration: 1, updatedReplicas: 3, readyReplicas: 3 },
      0,
    ],
    ['nothing yet', 1, {}, 0],
    // The condition of a failed rollout stays after the return to an earlier template.
    [
      'an old condition',
      1,
      {
        ...{ observedGeneration: 1, updatedReplicas: 1, readyReplicas: 1 },
        conditions: [{ type: 'Progressing', reason: 'ProgressDeadlineExceeded', status: 'False' }],
      },
      1,
    ],
  ])('judges %s by generation and counts', (_, generation, status, ready) => {
    const found = { metadata: { generation }, status };
    expect(readyReplicasOf({ kind: 'Deployment' }, found)).toBe(ready);
  });
});

describe('when a service opens connections', () => {
  const egress =
    '    egress: [{ to: 10.20.0.5, ports: [5432, 5433], reason: r }, { to: "fd00::/8", protocol: udp, ports: [514], reason: r }]\n';

  it('may reach those places, each with its ports, and only its own pods may', () => {
    const { objects } = rendered(egress);
    const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
    const [opened, ...others] = policies.filter(({ metadata }) =>
      metadata.name.startsWith('egress-'),
    );
    expect(others).toEqual([]);
    expect(opened?.['spec']).toEqual({
      podSelector: { matchLabels: expect.objectContaining({ 'stowage.dev/service': 'back' }) },
      policyTypes: ['Egress'],
      egress: [
        {
          to: [{ ipBlock: { cidr: '10.20.0.5/32' } }],
          ports: [
            { protocol: 'TCP', port: 5432 },
            { protocol: 'TCP', port: 5433 },
          ],
        },
        { to: [{ ipBlock: { cidr: 'fd00::/8' } }], ports: [{ protocol: 'UDP', port: 514 }] },
      ],
    });
    expect(
      rendered('')
        .objects.map(({ metadata }) => metadata.name)
        .join(),
    ).not.toContain('egress-');
  });
});
