import type { Service } from '../../format/service.ts';
import { labels, type Owner, releaseSelector } from './labels.ts';

interface Policy {
  readonly apiVersion: string;
  readonly kind: string;
  readonly base: string;
  readonly spec: object;
}

/**
 * Default deny in both directions for the pods of a release; its services and the nodes of one reach each other, and clients their ports. No
 * name is resolved: pods know their peers by address.
 */
export function networkPolicies(
  services: readonly Service[],
  clients: readonly string[],
  owner: Owner,
): Policy[] {
  const selector = { matchLabels: releaseSelector(owner) };
  const connected = services.length > 1 || services.some(({ nodes }) => nodes !== undefined);
  const peers = connected ? [{ podSelector: selector }] : [];
  const open = services.filter(({ ports }) => ports.length > 0 && clients.length > 0);
  return [
    policy('isolated', {
      podSelector: selector,
      policyTypes: ['Ingress', 'Egress'],
      ...(peers.length === 0 ? {} : { ingress: [{ from: peers }], egress: [{ to: peers }] }),
    }),
    ...open.map(({ name, ports }) =>
      policy(`clients-${name}`, {
        podSelector: { matchLabels: { ...releaseSelector(owner), [labels.service]: name } },
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [
              {
                namespaceSelector: {
                  matchExpressions: [
                    { key: 'kubernetes.io/metadata.name', operator: 'In', values: [...clients] },
                  ],
                },
              },
            ],
            ports: ports.map(({ container }) => ({ protocol: 'TCP', port: container })),
          },
        ],
      }),
    ),
  ];
}

function policy(base: string, spec: object): Policy {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', base, spec };
}
