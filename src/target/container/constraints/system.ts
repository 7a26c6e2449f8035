import { coerce, satisfies } from 'semver';
import type { HostNeeds } from '../../../format/deployment.ts';
import type { Constraint } from '../../../format/plan.ts';
import { cpuFeatures, kernelRelease } from '../../host/processor.ts';
import { type Arrival, arrivals, type ConstraintInput, named } from '../../../site/planning/constraints/constraint.ts';

/** The kernel is of a version that the release takes. */
export async function kernel(input: ConstraintInput): Promise<Constraint[]> {
  const asked = needing(input, 'kernel');
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
export function engine(input: ConstraintInput): Constraint[] {
  const { engine: found } = input;
  return needing(input, 'engine').map(([{ wanted }, ranges]) => {
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
export function names(input: ConstraintInput): Constraint[] {
  const { engine: found } = input;
  return arrivals(input).flatMap(({ wanted }) => {
    const sharing = wanted.services.filter((each) => each.network === 'bridge');
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
export async function processor(input: ConstraintInput): Promise<Constraint[]> {
  const asked = needing(input, 'cpuFeatures');
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

/** What arriving releases that run something say of one property of the host. */
export function needing<K extends keyof HostNeeds>(
  input: ConstraintInput,
  what: K,
): (readonly [Arrival, NonNullable<HostNeeds[K]>])[] {
  return arrivals(input).flatMap((arrival) => {
    const need = arrival.bundle.requires.host?.[what];
    // A depot serves releases for other hosts.
    if (need === undefined || arrival.wanted.services.length === 0) return [];
    return [[arrival, need] as const];
  });
}

/** Distributions write more than semver takes: `5.14.0-427.el9`, `20.10.24+dfsg1`. The numbers decide. */
function inRange(version: string | undefined, range: string): boolean {
  const plain = coerce(version);
  return plain !== null && satisfies(plain, range);
}
