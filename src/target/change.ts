import { type Digest, digestOf } from '../core/digest.ts';
import { canonicalBytes, type Json } from '../core/json.ts';
import type { Bundle } from '../format/bundle.ts';
import type { HostNeeds } from '../format/deployment.ts';
import type { Intent } from '../format/override.ts';
import type { DeployedRelease, Generation } from '../format/plan.ts';

/** A transition from the current generation to the next one. */
export interface Change {
  readonly intent: Intent;
  readonly from: Generation;
  readonly to: Generation;
  /** The bundle of each arriving release, and of the others that can be read, by its id. */
  readonly bundles: ReadonlyMap<string, Bundle>;
  /** Services of releases that stay as they are, each after its dependencies. */
  readonly repairs?: readonly Repair[];
  /** Services that a person stopped: a change does not start them. */
  readonly stopped?: readonly ServiceName[];
  /** Services of leaving releases that must stop before their successors start: the target has no room for both. */
  readonly exclusive?: readonly ServiceName[];
}

/** A service by the name of its release and its own. */
export interface ServiceName {
  readonly release: string;
  readonly service: string;
}

/** A service that is started again, or replaced by the one that was applied. */
export interface Repair extends ServiceName {
  /** Whether it runs until then. */
  readonly running: boolean;
  readonly reason: string;
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

/** The releases that stay as they are and have services to be repaired. */
export function repairedReleases({ to, repairs = [] }: Change): DeployedRelease[] {
  return to.releases.filter(({ name }) => repairs.some((each) => each.release === name));
}

/** Whether a person stopped the service. */
export function isStopped({ stopped = [] }: Change, { release, service }: ServiceName): boolean {
  return stopped.some((each) => each.release === release && each.service === service);
}

/** The releases of `to` that are new, differ from those of `from`, or are repaired. */
export function arrivals(change: Change): Arrival[] {
  const { from, to, bundles } = change;
  const { arriving } = changesBetween(from, to);
  return [...arriving, ...repairedReleases(change)].map((release) => {
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

/** Services, as text. */
export function servicesText(names: readonly string[]): string {
  return `${names.length === 1 ? 'service' : 'services'} ${names.join(', ')}`;
}

/** Of releases, which never change: a plan compares the same ones again and again. */
const contents = new WeakMap<DeployedRelease, Digest>();

function same(a: DeployedRelease, b: DeployedRelease): boolean {
  return a === b || (a.name === b.name && contentOf(a) === contentOf(b));
}

function contentOf(release: DeployedRelease): Digest {
  const known = contents.get(release);
  if (known !== undefined) return known;
  const digest = digestOf(canonicalBytes(release as unknown as Json));
  contents.set(release, digest);
  return digest;
}
