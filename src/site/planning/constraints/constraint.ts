import type { Bundle } from '../../../format/bundle.ts';
import type { DeployedRelease, Generation } from '../../../format/generation.ts';
import type { Constraint, Intent } from '../../../format/plan.ts';
import type { Site } from '../../../format/site.ts';
import type { Engine, Target } from '../../../target/target.ts';
import type { HostProbe } from '../../../target/host/host-probe.ts';
import type { SiteState } from '../../ledger/site-state.ts';
import type { SiteFolder } from '../../site-folder.ts';
import { changesBetween } from '../plan.ts';

/** What a rule is asked about. */
export interface ConstraintInput {
  readonly intent: Intent;
  /** What runs now. */
  readonly from: Generation;
  /** What is to run. */
  readonly to: Generation;
  /** The bundle of each release in `to`, and of those in `from` that can be read, by its id. */
  readonly bundles: ReadonlyMap<string, Bundle>;
  readonly site: SiteFolder;
  readonly settings: Site;
  readonly state: SiteState;
  readonly engine: Engine;
  readonly target: Pick<Target, 'hasSecret'>;
  readonly host: HostProbe;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** One rule: what must hold, and what was found. Looks, and changes nothing. */
export type Rule = (
  input: ConstraintInput,
) => Promise<readonly Constraint[]> | readonly Constraint[];

/** A release that comes: with what it was packed as, and what it takes the place of. */
export interface Arrival {
  readonly bundle: Bundle;
  readonly wanted: DeployedRelease;
  readonly before?: DeployedRelease;
}

/** The releases that run afterwards and do not run, as they then are, now. */
export function arrivals({ from, to, bundles }: ConstraintInput): Arrival[] {
  const { arriving } = changesBetween(from, to);
  return arriving.map((wanted) => {
    const before = from.releases.find((each) => each.name === wanted.name);
    const bundle = bundleOf(bundles, wanted);
    return { bundle, wanted, ...(before === undefined ? {} : { before }) };
  });
}

/** The bundle that a release of `to` came in. */
export function bundleOf(
  bundles: ConstraintInput['bundles'],
  { name, bundle: id }: DeployedRelease,
): Bundle {
  const bundle = bundles.get(id);
  if (bundle === undefined) throw new Error(`the bundle of release ${name} was not read`);
  return bundle;
}

/** A release as people name it. */
export function named({ name, version }: Pick<DeployedRelease, 'name' | 'version'>): string {
  return `release ${name} ${version}`;
}
