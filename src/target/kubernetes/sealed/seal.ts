import type { Fields } from '../../../core/json.ts';
import { probeSelector } from '../doctor/probe-place.ts';
import { type Owner, releaseSelector } from '../labels.ts';
import type { Policy } from '../service-objects.ts';

/** What seals the pods of a rehearsal: the sink is the only place outside their release that they may reach. */
export interface Seal {
  /** The IPv4 address of the sink. */
  readonly address: string;
  readonly namespace: string;
}

/** A pod that asks the sink for every name. */
export function sealedPod(pod: Fields, { address }: Seal): Fields {
  return { ...pod, dnsConfig: { nameservers: [address] } };
}

/** The policies of a sealed release: that of its isolation, and one that lets it reach the sink. What `egress` opens at a site stays closed. */
export function sealedPolicies(policies: readonly Policy[], owner: Owner, seal: Seal): Policy[] {
  return [
    ...policies.filter(({ base }) => base === 'isolated'),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      base: 'sink',
      spec: {
        podSelector: { matchLabels: releaseSelector(owner) },
        policyTypes: ['Egress'],
        egress: [
          {
            to: [
              {
                namespaceSelector: {
                  matchLabels: { 'kubernetes.io/metadata.name': seal.namespace },
                },
                podSelector: probeSelector(owner.site),
              },
            ],
          },
        ],
      },
    },
  ];
}
