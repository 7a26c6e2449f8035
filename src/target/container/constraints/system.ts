import { coerce, satisfies } from 'semver';
import { counted, formatBytes } from '../../../core/text.ts';
import { ignoredByHosts } from '../../../format/placement.ts';
import { type Constraint, type DeployedRelease, IGNORED } from '../../../format/plan.ts';
import { arrivals, hostNeeds, releaseText } from '../../change.ts';
import { cpuFeatures, kernelRelease, memoryBytes } from '../../host/host-probe.ts';
import { hostPlatform } from '../../host/platform.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** The release was packed for the platform of this host. */
export function platform(input: ContainerConstraintInput): Constraint[] {
  const host = hostPlatform();
  return arrivals(input.change)
    .filter(({ release }) => release.workload.kind !== 'none')
    .map(({ bundle, release }) => {
      const images = bundle.images.filter(
        (image) => !image.platforms.some((each) => each.platform === host),
      );
      const lacking = images.map((each) => each.name).join(', ');
      return {
        rule: 'platform',
        satisfied: bundle.platforms.includes(host) && images.length === 0,
        needs: `${releaseText(release)} built for ${host}`,
        found: `${bundle.platforms.join(', ')}${lacking === '' ? '' : `, without image ${lacking}`}`,
      };
    });
}

/** The kernel version is in the range that the release requires. */
export async function kernel(input: ContainerConstraintInput): Promise<Constraint[]> {
  const asked = hostNeeds(input.change, 'kernel');
  if (asked.length === 0) return [];
  const found = await kernelRelease(input.host);
  return asked.map(([{ release }, range]) => ({
    rule: 'kernel',
    satisfied: inRange(found, range),
    needs: `Linux ${range} for ${releaseText(release)}`,
    found: found === undefined ? 'an unknown kernel version' : `Linux ${found}`,
  }));
}

/** The container engine and its version are among those that the release requires. */
export function engine(input: ContainerConstraintInput): Constraint[] {
  const { facts: found } = input;
  return hostNeeds(input.change, 'engine').map(([{ release }, ranges]) => {
    const asked = Object.entries(ranges);
    const range = new Map(asked).get(found.engine);
    return {
      rule: 'engine',
      satisfied: range !== undefined && inRange(found.version, range),
      needs: `${asked.map((each) => each.join(' ')).join(', or ')} for ${releaseText(release)}`,
      found: `${found.engine} ${found.version}`,
    };
  });
}

/** Services of a release that share a network reach each other by name, which the engine must support. */
export function names(input: ContainerConstraintInput): Constraint[] {
  const { facts: found } = input;
  return arrivals(input.change).flatMap(({ release }) => {
    const sharing = containersOf(release).services.filter((each) => each.network === 'bridge');
    if (sharing.length < 2) return [];
    const without = `${found.engine} without name resolution: install netavark and aardvark-dns, and set network_backend = "netavark" in containers.conf`;
    return [
      {
        rule: 'names',
        satisfied: found.names,
        needs: `name resolution between the services of ${releaseText(release)}`,
        found: found.names ? `${found.engine} with name resolution` : without,
      },
    ];
  });
}

/** A rootless engine connects the networks of services with the host through a program of its own. */
export function connection(input: ContainerConstraintInput): Constraint[] {
  const { engine: name, connects } = input.facts;
  if (connects === undefined) return [];
  return arrivals(input.change).flatMap(({ release }) => {
    const { services } = containersOf(release);
    if (services.every((each) => each.network !== 'bridge')) return [];
    return [
      {
        rule: 'network',
        satisfied: connects,
        needs: `networks of rootless ${name} for the services of ${releaseText(release)}`,
        found: connectionText(connects),
      },
    ];
  });
}

/** Whether a rootless engine has the program that connects networks with the host, as text. */
export function connectionText(connects: boolean): string {
  return connects
    ? 'a program that connects them with the host'
    : 'neither slirp4netns nor pasta: install the package slirp4netns, or passt for podman 5';
}

/** One container is what a host has of a service: what the manifest says for clusters is ignored, which the plan tells. */
export function scaling({ change }: Pick<ContainerConstraintInput, 'change'>): Constraint[] {
  return arrivals(change)
    .filter(({ release }) => release.workload.kind !== 'none')
    .flatMap(({ bundle, release }) =>
      bundle.services.flatMap((service) => {
        const fields = ignoredByHosts.filter((each) => service[each] !== undefined);
        if (fields.length === 0) return [];
        const needs = `${fields.join(', ')} of service ${service.name} of ${releaseText(release)}`;
        const found = 'ignored on this host: one container';
        return [{ rule: IGNORED, satisfied: true, needs, found }];
      }),
    );
}

/** A service that spans several nodes cannot run on one host. */
export function nodes({ change }: Pick<ContainerConstraintInput, 'change'>): Constraint[] {
  return arrivals(change)
    .filter(({ release }) => release.workload.kind !== 'none')
    .flatMap(({ bundle, release }) =>
      bundle.services.flatMap(({ name, nodes: spanned }) =>
        spanned === undefined
          ? []
          : [
              {
                ...{ rule: 'nodes', satisfied: false },
                needs: `service ${name} of ${releaseText(release)} on one host`,
                found: `it needs a cluster: it spans ${counted(spanned.count, 'node')}`,
              },
            ],
      ),
    );
}

/** Every processor has the features that the release requires. */
export async function processor(input: ContainerConstraintInput): Promise<Constraint[]> {
  const asked = hostNeeds(input.change, 'cpuFeatures');
  if (asked.length === 0) return [];
  const found = await cpuFeatures(input.host);
  return asked.map(([{ release }, features]) => {
    const lacking = features.filter((each) => found?.has(each) !== true);
    return {
      rule: 'cpu',
      satisfied: lacking.length === 0,
      needs: `processors with ${features.join(', ')} for ${releaseText(release)}`,
      found:
        found === undefined
          ? 'unknown processor features'
          : lacking.length === 0
            ? 'all of them'
            : `processors without ${lacking.join(', ')}`,
    };
  });
}

/** Versions of distributions are not semver (`5.14.0-427.el9`, `20.10.24+dfsg1`): only the numbers count. */
function inRange(version: string | undefined, range: string): boolean {
  const plain = coerce(version);
  return plain !== null && satisfies(plain, range);
}

/** The host has the memory that a release requires, and other releases leave enough for the limits of its services. */
export async function memory(input: ContainerConstraintInput): Promise<Constraint[]> {
  const asked = hostNeeds(input.change, 'memory');
  const limited = arrivals(input.change).filter(({ release }) => reserved(release) > 0);
  if (asked.length + limited.length === 0) return [];
  const total = await memoryBytes(input.host);
  const unknown = 'unknown: this host does not report its memory';
  const whole = asked.map(([{ release }, bytes]) => ({
    rule: 'memory',
    satisfied: total !== undefined && total >= bytes,
    needs: `a host with ${formatBytes(bytes)} of memory for ${releaseText(release)}`,
    found: total === undefined ? unknown : `${formatBytes(total)} in total`,
  }));
  const beside = limited.map(({ release }) => {
    const others = input.change.to.releases.filter((each) => each.name !== release.name);
    const taken = others.reduce((sum, each) => sum + reserved(each), 0);
    return {
      rule: 'memory',
      satisfied: total !== undefined && total - taken >= reserved(release),
      needs: `${formatBytes(reserved(release))} of memory for the services of ${releaseText(release)}`,
      found:
        total === undefined
          ? unknown
          : `${formatBytes(Math.max(0, total - taken))}: ${formatBytes(total)} minus ${formatBytes(taken)} reserved by other releases`,
    };
  });
  return [...whole, ...beside];
}

/** The sum of the memory limits of a release's services, in bytes. */
function reserved(release: DeployedRelease): number {
  return containersOf(release).services.reduce((sum, each) => sum + (each.memory ?? 0), 0);
}
