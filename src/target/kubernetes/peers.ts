import { programsOf } from '../../format/placement.ts';
import type { Port, Service } from '../../format/service.ts';
import type { RenderInput } from '../target.ts';

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
