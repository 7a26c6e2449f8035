import { coerce, satisfies } from 'semver';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, named, needing } from '../../change.ts';
import { hostPlatform } from '../../host/platform.ts';
import { cpuFeatures, kernelRelease } from '../../host/processor.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** The release was packed for this host's system and processor. */
export function platform(input: ContainerConstraintInput): Constraint[] {
  const host = hostPlatform();
  return arrivals(input.change)
    .filter(({ wanted }) => wanted.workload.kind !== 'none')
    .map(({ bundle, wanted }) => {
      const images = bundle.images.filter(
        (image) => !image.platforms.some((each) => each.platform === host),
      );
      const lacking = images.map((each) => each.name).join(', ');
      return {
        rule: 'platform',
        satisfied: bundle.platforms.includes(host) && images.length === 0,
        needs: `${named(wanted)} made for a host of ${host}`,
        found: `${bundle.platforms.join(', ')}${lacking === '' ? '' : `, without image ${lacking}`}`,
      };
    });
}

/** The kernel is of a version that the release takes. */
export async function kernel(input: ContainerConstraintInput): Promise<Constraint[]> {
  const asked = needing(input.change, 'kernel');
  if (asked.length === 0) return [];
  const found = await kernelRelease(input.host);
  return asked.map(([{ wanted }, range]) => ({
    rule: 'kernel',
    satisfied: inRange(found, range),
    needs: `Linux ${range} for ${named(wanted)}`,
    found: found === undefined ? 'a kernel that does not tell its version' : `Linux ${found}`,
  }));
}

/** The container engine is one that the release was tried with, in a version that it takes. */
export function engine(input: ContainerConstraintInput): Constraint[] {
  const { facts: found } = input;
  return needing(input.change, 'engine').map(([{ wanted }, ranges]) => {
    const asked = Object.entries(ranges);
    const range = new Map(asked).get(found.engine);
    return {
      rule: 'engine',
      satisfied: range !== undefined && inRange(found.version, range),
      needs: `${asked.map((each) => each.join(' ')).join(', or ')} for ${named(wanted)}`,
      found: `${found.engine} ${found.version}`,
    };
  });
}

/** Services of one release that share a network call one another by their names: the engine has to give them names. */
export function names(input: ContainerConstraintInput): Constraint[] {
  const { facts: found } = input;
  return arrivals(input.change).flatMap(({ wanted }) => {
    const sharing = containersOf(wanted).services.filter((each) => each.network === 'bridge');
    if (sharing.length < 2) return [];
    const without = `${found.engine} without them: install netavark and aardvark-dns, and set network_backend = "netavark" in containers.conf`;
    return [
      {
        rule: 'names',
        satisfied: found.names,
        needs: `names by which the services of ${named(wanted)} reach one another`,
        found: found.names ? `${found.engine}, which gives them` : without,
      },
    ];
  });
}

/** Every processor has the features that the release's programs were made for. */
export async function processor(input: ContainerConstraintInput): Promise<Constraint[]> {
  const asked = needing(input.change, 'cpuFeatures');
  if (asked.length === 0) return [];
  const found = await cpuFeatures(input.host);
  return asked.map(([{ wanted }, features]) => {
    const lacking = features.filter((each) => found?.has(each) !== true);
    return {
      rule: 'cpu',
      satisfied: lacking.length === 0,
      needs: `processors with ${features.join(', ')} for ${named(wanted)}`,
      found:
        found === undefined
          ? 'processors that do not tell their features'
          : lacking.length === 0
            ? 'all of them'
            : `processors without ${lacking.join(', ')}`,
    };
  });
}

/** Distributions write more than semver takes: `5.14.0-427.el9`, `20.10.24+dfsg1`. The numbers decide. */
function inRange(version: string | undefined, range: string): boolean {
  const plain = coerce(version);
  return plain !== null && satisfies(plain, range);
}
