import type { RenderedService } from '../../../format/containers.ts';
import { egressInWords } from '../../../format/egress.ts';
import { type Constraint, IGNORED } from '../../../format/plan.ts';
import { arrivals, releaseText, servicesText } from '../../change.ts';
import { containersOf } from '../workload.ts';
import type { ContainerConstraintInput } from './constraint.ts';

/** Where services can open connections to, and what keeps them from other places. It only tells: every host satisfies it, and
 * a plan always shows what no host enforces. */
export async function egress({
  change,
  engine,
  signal,
}: ContainerConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(change)) {
    const { services } = containersOf(release);
    const restricted = services.filter((each) => each.egress !== undefined);
    const reason = restricted.length === 0 ? undefined : await engine.whyUnrestricted(signal);
    for (const [places, names] of byPlaces(restricted))
      constraints.push({
        ...{ rule: reason === undefined ? 'egress' : IGNORED, satisfied: true },
        needs: `no connections of ${servicesText(names)} of ${releaseText(release)} but to ${places}`,
        found: reason === undefined ? 'packet rules of this host' : `not restricted: ${reason}`,
      });
    const open = services.filter(({ network }) => network === 'host').map(({ name }) => name);
    if (open.length > 0)
      constraints.push({
        ...{ rule: IGNORED, satisfied: true },
        needs: `no connections of ${servicesText(open)} of ${releaseText(release)} but to peers`,
        found: 'not restricted: the network of the host',
      });
  }
  return constraints;
}

/** The names of services by where they may connect to, in words. */
function byPlaces(services: readonly RenderedService[]): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const { name, egress: to = [] } of services) {
    const places = ['peers', ...to.map(egressInWords)].join('; ');
    all.set(places, [...(all.get(places) ?? []), name]);
  }
  return all;
}
