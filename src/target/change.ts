import { canonicalJson, type Json } from '../core/canonical-json.ts';
import type { Bundle } from '../format/bundle.ts';
import type { HostNeeds } from '../format/deployment.ts';
import type { DeployedRelease, Generation } from '../format/generation.ts';
import type { Intent } from '../format/override.ts';

/** From what runs now to what is to run. */
export interface Change {
  readonly intent: Intent;
  readonly from: Generation;
  readonly to: Generation;
  /** The bundle of each release in `to`, and of those in `from` that can be read, by its id. */
  readonly bundles: ReadonlyMap<string, Bundle>;
}

/** A release that arrives: what it was packed as, and what it replaces. */
export interface Arrival {
  readonly bundle: Bundle;
  readonly wanted: DeployedRelease;
  readonly before?: DeployedRelease;
}

/** The releases that one generation runs and the other does not run alike. */
export function changesBetween(
  from: Generation,
  to: Generation,
): { arriving: DeployedRelease[]; leaving: DeployedRelease[] } {
  const lacking = ({ releases }: Generation, other: Generation): DeployedRelease[] =>
    releases.filter((release) => !other.releases.some((each) => same(each, release)));
  return { arriving: lacking(to, from), leaving: lacking(from, to) };
}

/** The releases that run afterwards and do not run, as they then are, now. */
export function arrivals({ from, to, bundles }: Change): Arrival[] {
  const { arriving } = changesBetween(from, to);
  return arriving.map((wanted) => {
    const before = from.releases.find((each) => each.name === wanted.name);
    const bundle = bundleOf(bundles, wanted);
    return { bundle, wanted, ...(before === undefined ? {} : { before }) };
  });
}

/** The bundle that a release of `to` came in. */
export function bundleOf(
  bundles: Change['bundles'],
  { name, bundle: id }: DeployedRelease,
): Bundle {
  const bundle = bundles.get(id);
  if (bundle === undefined) throw new Error(`the bundle of release ${name} was not read`);
  return bundle;
}

/** What arriving releases that run something say of one property of what they run on. */
export function needing<K extends keyof HostNeeds>(
  change: Change,
  what: K,
): (readonly [Arrival, NonNullable<HostNeeds[K]>])[] {
  return arrivals(change).flatMap((arrival) => {
    const need = arrival.bundle.requires.host?.[what];
    // A depot serves releases for other hosts.
    if (need === undefined || arrival.wanted.workload.kind === 'none') return [];
    return [[arrival, need] as const];
  });
}

/** A release as people name it. */
export function named({ name, version }: Pick<DeployedRelease, 'name' | 'version'>): string {
  return `release ${name} ${version}`;
}

function same(a: DeployedRelease, b: DeployedRelease): boolean {
  return canonicalJson(a as unknown as Json) === canonicalJson(b as unknown as Json);
}
