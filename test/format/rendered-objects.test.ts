import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/core/json.ts';
import { powersOf } from '../../src/format/rendered-objects.ts';

const object = (apiVersion: string, kind: string, more: { [member: string]: Json } = {}) => ({
  ...{ apiVersion, kind, metadata: { name: 'a' } },
  ...more,
});
const definition = (scope: string) =>
  object('apiextensions.k8s.io/v1', 'CustomResourceDefinition', {
    spec: { group: 'demo.example', scope, names: { kind: 'Gadget' } },
  });
const gadget = object('demo.example/v1', 'Gadget');

describe('when an officer reads what objects may do', () => {
  it.each<[what: string, kind: string, more: { [member: string]: Json }, power: string]>([
    ['an object of the cluster', 'ClusterRole', {}, 'cluster: ClusterRole a'],
    [
      'rights of a role',
      'Role',
      { rules: [{ apiGroups: ['', 'apps'], resources: ['*'], verbs: ['get', '*'] }] },
      'rights: Role a: get,* on *,*.apps',
    ],
    [
      'a role that is given away',
      'RoleBinding',
      {
        roleRef: { kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'Group', name: 'all' }],
      },
      'rights: RoleBinding a: ClusterRole cluster-admin to Group all',
    ],
    [
      'a webhook',
      'MutatingWebhookConfiguration',
      { webhooks: [{ rules: [{ resources: ['pods'], operations: ['CREATE'] }] }] },
      'webhook: a changes pods at CREATE, failurePolicy Fail',
    ],
    [
      'a webhook that may be absent',
      'ValidatingWebhookConfiguration',
      {
        webhooks: [
          { failurePolicy: 'Ignore', rules: [{ resources: ['pods'], operations: ['CREATE'] }] },
        ],
      },
      'webhook: a judges pods at CREATE, failurePolicy Ignore',
    ],
    [
      'a role that is made of others',
      'ClusterRole',
      { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'of' } }] } },
      'rights: ClusterRole a: every rule of cluster roles with {"matchLabels":{"part":"of"}}',
    ],
    [
      'a namespace that confines nothing',
      'Namespace',
      { metadata: { name: 'a', labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } },
      'namespace: a: PodSecurity privileged for its pods',
    ],
    [
      'a namespace without a standard',
      'Namespace',
      {},
      'namespace: a: PodSecurity of the cluster for its pods',
    ],
    [
      'a port of the host',
      'Pod',
      { spec: { containers: [{ ports: [{ hostPort: 443 }] }] } },
      'pod: Pod a: hostPort 443',
    ],
    [
      'the user root',
      'Pod',
      { spec: { securityContext: { runAsUser: 0 }, containers: [] } },
      'pod: Pod a: runAsUser 0 (root)',
    ],
    [
      'a privileged container',
      'Pod',
      { spec: { containers: [{ securityContext: { privileged: true } }] } },
      'pod: Pod a: privileged',
    ],
    [
      'a capability',
      'Pod',
      { spec: { containers: [{ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }] } },
      'pod: Pod a: capability SYS_ADMIN',
    ],
    [
      'a path of the host',
      'Other',
      { spec: { template: { volumes: [{ hostPath: { path: '/' } }] } } },
      'pod: Other a: hostPath /',
    ],
    [
      'the network of the host',
      'Pod',
      { spec: { hostNetwork: true, containers: [] } },
      'pod: Pod a: hostNetwork',
    ],
  ])('shows %s', (_, kind, more, power) => {
    expect(powersOf([object('v1', kind, more)])).toContain(power);
  });

  it('shows custom resources that no namespace contains, by their definition in any item', () => {
    expect(powersOf([gadget], [gadget, definition('Cluster')])).toEqual(['cluster: Gadget a']);
    expect(powersOf([gadget], [gadget, definition('Namespaced')])).toEqual([]);
    expect(powersOf([object('other.example/v1', 'Gadget')], [definition('Cluster')])).toEqual([]);
  });

  it('shows none of objects that stay in their namespace', () => {
    expect(powersOf([object('v1', 'ConfigMap'), object('v1', 'Service')])).toEqual([]);
  });
});
