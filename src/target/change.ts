import { canonicalJson, type Json } from '../core/canonical-json.ts';
import type { Bundle } from '../format/bundle.ts';
import type { HostNeeds } from '../format/deployment.ts';
import type { DeployedRelease, Generation } from '../format/generation.ts';
import type { Intent } from '../format/override.ts';

/** A transition from the current generation to the next one. */
export interface Change {
  readonly intent: Intent;
  readonly from: Generation;
  readonly to: Generation;
  /** The bundle of each arriving release, and of the others that can be read, by its id. */
  readonly bundles: ReadonlyMap<string, Bundle>;
}

/** A release that the change installs or replaces. */
export interface Arrival {
  readonly bundle: Bundle;
  readonly release: DeployedRelease;
  /** The release that it replaces. */
  readonly previous?: DeployedRelease;
}

/** The releases that differ between two generations. */
export function changesBetween(
  from: Generation,
  to: Generation,
): { arriving: DeployedRelease[]; leaving: DeployedRelease[] } {
  const lacking = ({ releases }: Generation, other: Generation): DeployedRelease[] =>
    releases.filter((release) => !other.releases.some((each) => same(each, release)));
  return { arriving: lacking(to, from), leaving: lacking(from, to) };
}

/** The releases of `to` that are new or differ from those of `from`. */
export function arrivals({ from, to, bundles }: Change): Arrival[] {
  const { arriving } = changesBetween(from, to);
  return arriving.map((release) => {
    const previous = from.releases.find((each) => each.name === release.name);
    const bundle = bundleOf(bundles, release);
    return { bundle, release, ...(previous === undefined ? {} : { previous }) };
  });
}

/** The bundle of an arriving release. */
function bundleOf(bundles: Change['bundles'], { name, bundle: id }: DeployedRelease): Bundle {
  const bundle = bundles.get(id);
  if (bundle === undefined) throw new Error(`the bundle of release ${name} was not read`);
  return bundle;
}

/** Each arriving release with services and its requirement for one property of the host. */
export function hostNeeds<K extends keyof HostNeeds>(
  change: Change,
  what: K,
): (readonly [Arrival, NonNullable<HostNeeds[K]>])[] {
  return arrivals(change).flatMap((arrival) => {
    const need = arrival.bundle.requires.host?.[what];
    // A depot serves releases for other hosts.
    if (need === undefined || arrival.release.workload.kind === 'none') return [];
    return [[arrival, need] as const];
  });
}

/** A release in messages. */
export function releaseText({ name, version }: Pick<DeployedRelease, 'name' | 'version'>): string {
  return `release ${name} ${version}`;
}

function same(a: DeployedRelease, b: DeployedRelease): boolean {
  return canonicalJson(a as unknown as Json) === canonicalJson(b as unknown as Json);
}
