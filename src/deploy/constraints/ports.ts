import { createServer } from 'node:net';
import type { DeployedRelease } from '../../format/generation.ts';
import type { Constraint } from '../../format/plan.ts';
import type { Question } from './constraint.ts';

/** Each port that the release publishes is free, or its own predecessor's. */
export async function ports({ wanted, from }: Question): Promise<Constraint[]> {
  const ours = new Set(portsOf(from.releases.filter((each) => each.name === wanted.name)));
  const constraints: Constraint[] = [];
  for (const port of portsOf([wanted])) {
    const holder = from.releases.find(
      (each) => each.name !== wanted.name && portsOf([each]).includes(port),
    );
    const free = holder === undefined && (ours.has(port) || (await isFree(port)));
    const taken = holder === undefined ? 'another program on this host' : `release ${holder.name}`;
    constraints.push({
      rule: 'port',
      satisfied: free,
      needs: `${port} is free`,
      found: free ? 'free' : `taken by ${taken}`,
    });
  }
  return constraints;
}

/** `address:port` of every port that services publish. */
function portsOf(releases: readonly Pick<DeployedRelease, 'services'>[]): string[] {
  return releases.flatMap(({ services }) =>
    services.flatMap((service) => service.ports.map((port) => `${port.address}:${port.host}`)),
  );
}

/** Whether a listener can be put there now: the one sure way to ask. */
function isFree(place: string): Promise<boolean> {
  const cut = place.lastIndexOf(':');
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(
      { host: place.slice(0, cut), port: Number(place.slice(cut + 1)), exclusive: true },
      () => {
        server.close(() => resolve(true));
      },
    );
  });
}
