import { cidrOf } from '../../core/host-address.ts';
import type { Fields } from '../../core/json.ts';
import { isPlace } from '../../format/egress.ts';
import { programsOf } from '../../format/placement.ts';
import type { Port, Service } from '../../format/service.ts';
import { type RenderInput, renderEgress } from '../render-input.ts';
import { labels, type Owner, podSelector, releaseSelector, type Unnamed } from './labels.ts';

/** A service that others of its release reach, or its own workers, and the ports at which they do. */
export interface Peer {
  readonly service: Service;
  readonly ports: readonly Pick<Port, 'name' | 'container'>[];
}

/**
 * The services of a release that its others can reach. On a host every port of a peer is open; a Service of a cluster lists
 * its ports. These are the ones that the manifest declares, and those that other services name, as in `http://chat:8000`.
 */
export function peersOf(services: readonly Service[], input: RenderInput): Peer[] {
  return services
    .filter(({ nodes }) => services.length > 1 || nodes !== undefined)
    .filter(({ network }) => network === 'bridge')
    .map((service) => ({ service, ports: portsOf(service, services, input) }))
    .filter(({ ports }) => ports.length > 0);
}

function portsOf(
  service: Service,
  services: readonly Service[],
  { fill, rendered }: RenderInput,
): Peer['ports'] {
  const texts = [
    ...services
      .filter((each) => each !== service)
      .flatMap(programsOf)
      .flatMap(({ args, env }) => [...args, ...Object.values(env)].map(fill)),
    ...[...rendered.values()].map(({ text }) => text),
  ];
  const mention = new RegExp(`(?<![A-Za-z0-9.-])${service.name}:([0-9]{1,5})(?![0-9])`, 'g');
  const declared = new Set(service.ports.map(({ container }) => container));
  const ofLeader = service.nodes?.ports ?? [];
  const named = texts.flatMap((text) =>
    [...text.matchAll(mention)].map((match) => Number(match[1])),
  );
  const more = [...new Set([...named, ...ofLeader])].filter(
    (port) => port >= 1 && port <= 65_535 && !declared.has(port),
  );
  return [
    ...service.ports,
    ...more
      .toSorted((a, b) => a - b)
      .map((container) => ({ name: `port-${container}`, container })),
  ];
}

/** A NetworkPolicy before its content gave it a name. */
export interface Policy {
  readonly apiVersion: string;
  readonly kind: string;
  readonly base: string;
  readonly spec: object;
}

/**
 * Default deny in both directions for the pods of a release; its services and the nodes of one reach each other, clients their
 * ports, and each service what its `egress` names. No name is resolved: pods know their peers by address.
 */
export function networkPolicies(
  services: readonly Service[],
  input: RenderInput,
  owner: Owner,
): Policy[] {
  const clients = input.settings.kubernetes?.clients ?? [];
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
    ...services.flatMap((service) => {
      const egress = renderEgress(service, input);
      if (egress.length === 0) return [];
      const matchLabels = { ...releaseSelector(owner), [labels.service]: service.name };
      return policy(`egress-${service.name}`, {
        podSelector: { matchLabels },
        policyTypes: ['Egress'],
        egress: egress.map(({ to, protocol, ports }) => ({
          to: [{ ipBlock: { cidr: cidrOf(to) } }],
          ports: ports.map((port) => ({ protocol: protocol.toUpperCase(), port })),
        })),
      });
    }),
    ...open.map(({ name, ports }) =>
      policy(`clients-${name}`, {
        podSelector: { matchLabels: { ...releaseSelector(owner), [labels.service]: name } },
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: clientPeers(clients),
            ports: ports.map(({ container }) => ({ protocol: 'TCP', port: container })),
          },
        ],
      }),
    ),
  ];
}

/** Whom a policy admits: pods of these namespaces, and clients outside the cluster. */
function clientPeers(clients: readonly string[]): object[] {
  const namespaces = clients.filter((each) => !isPlace(each));
  const inNamespaces = {
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: namespaces }],
  };
  return [
    ...(namespaces.length === 0 ? [] : [{ namespaceSelector: inNamespaces }]),
    ...clients.filter(isPlace).map((each) => ({ ipBlock: { cidr: cidrOf(each) } })),
  ];
}

function policy(base: string, spec: object): Policy {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', base, spec };
}

/** A pod whose replicas run on different nodes or in different zones, as `spread` of its service says. */
export function spreadPod(
  { spread = [] }: Service,
  pod: Fields,
  { name, owner }: { readonly name: string; readonly owner: Owner },
): Fields {
  if (spread.length === 0) return pod;
  const topologySpreadConstraints = spread.map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'DoNotSchedule',
    // Nodes whose taints the pods do not tolerate would count as empty, and nothing could run anywhere.
    nodeTaintsPolicy: 'Honor',
    labelSelector: { matchLabels: podSelector(name, owner) },
  }));
  return { ...pod, topologySpreadConstraints };
}

/** The PodDisruptionBudget of a service: how many of its pods may be away while nodes are drained. Without a name yet. */
export function disruptionBudget({ disruption }: Service, name: string, owner: Owner): Unnamed[] {
  if (disruption === undefined) return [];
  return [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      spec: {
        maxUnavailable: disruption,
        selector: { matchLabels: podSelector(name, owner) },
        // A pod that never got ready holds no drain up.
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      },
    },
  ];
}
