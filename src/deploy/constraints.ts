import { createServer } from 'node:net';
import { satisfies } from 'semver';
import { StowageError } from '../core/error.ts';
import type { Bundle } from '../format/bundle.ts';
import type { DeployedRelease, Generation } from '../format/generation.ts';
import type { Constraint } from '../format/plan.ts';

/**
 * Whether a release may run beside what else the site runs: its ports are free, the releases it requires are there.
 * @param from what runs now; the release's own predecessor gives its ports up
 */
export async function checkConstraints(
  bundle: Bundle,
  wanted: DeployedRelease,
  from: Generation,
): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const need of bundle.requires.releases) {
    const found = from.releases.find((each) => each.name === need.name);
    constraints.push({
      rule: 'requires',
      satisfied: found !== undefined && satisfies(found.version, need.version),
      reason: `needs release ${need.name} ${need.version}; this site runs ${found?.version ?? 'none'}`,
    });
  }
  const ours = new Set(portsOf(from.releases.filter((each) => each.name === wanted.name)));
  for (const { name, services } of from.releases) {
    if (name === wanted.name) continue;
    const theirs = new Set(portsOf([{ services }]));
    for (const port of portsOf([wanted])) {
      if (theirs.has(port))
        constraints.push({
          rule: 'port',
          satisfied: false,
          reason: `${port} is taken by release ${name}`,
        });
    }
  }
  for (const port of portsOf([wanted])) {
    const free = ours.has(port) || (await isFree(port));
    constraints.push({
      rule: 'port',
      satisfied: free,
      reason: free ? `${port} is free` : `${port} is taken by another program on this host`,
    });
  }
  return constraints;
}

/** @throws StowageError `host-unfit` listing every constraint that does not hold */
export function requireSatisfied(constraints: readonly Constraint[]): void {
  const violated = constraints.filter((each) => !each.satisfied);
  const [first] = violated;
  if (first === undefined) return;
  throw new StowageError('host-unfit', 'this host or site is not fit for the release', {
    expected: `${first.rule} satisfied`,
    found: first.reason,
    hint: 'mend each point named, or set other values in site.yaml, and run the command again',
    defects: violated.map((each) => `${each.rule}: ${each.reason}`),
  });
}

/** `address:port` of every port that services publish. */
function portsOf(releases: readonly Pick<DeployedRelease, 'services'>[]): string[] {
  return releases.flatMap(({ services }) =>
    services.flatMap(({ ports }) => ports.map((port) => `${port.address}:${port.host}`)),
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
