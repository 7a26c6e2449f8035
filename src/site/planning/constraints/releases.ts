import { satisfies } from 'semver';
import type { ReleaseRange } from '../../../format/deployment.ts';
import type { Constraint, DeployedRelease, Generation } from '../../../format/plan.ts';
import { changesBetween, releaseText } from '../../../target/change.ts';
import type { ConstraintInput } from './constraint.ts';

/** The releases that each release requires run, in the required versions, after any change of either. */
export function requiredReleases(input: ConstraintInput): Constraint[] {
  const { to } = input.context.change;
  return affected(input, 'releases').map(([release, need]) => {
    const found = to.releases.find((each) => each.name === need.name);
    return {
      rule: 'requires',
      satisfied: found !== undefined && satisfies(found.version, need.version),
      needs: `release ${need.name} ${need.version}, which ${releaseText(release)} requires`,
      found: found === undefined ? `no release ${need.name} would run` : releaseText(found),
    };
  });
}

/** No release runs together with one that either declares a conflict with. */
export function conflictingReleases(input: ConstraintInput): Constraint[] {
  const { to } = input.context.change;
  return affected(input, 'conflicts').map(([release, range]) => {
    const found = to.releases.find(
      (each) =>
        each.name === range.name &&
        each.name !== release.name &&
        satisfies(each.version, range.version, { includePrerelease: true }),
    );
    return {
      rule: 'conflict',
      satisfied: found === undefined,
      needs: `no release ${range.name} ${range.version} together with ${releaseText(release)}`,
      found: found === undefined ? 'none' : `${releaseText(found)} would run`,
    };
  });
}

type Declared = readonly [release: DeployedRelease, range: ReleaseRange];

/** What the releases of `to` declare about others, if either changes. */
function affected(
  { context }: ConstraintInput,
  what: 'releases' | 'conflicts',
): readonly Declared[] {
  const { from, to, bundles } = context.change;
  const changed = changedNames(from, to);
  return to.releases.flatMap((release) =>
    (bundles.get(release.bundle)?.requires[what] ?? [])
      .filter((range) => changed.has(release.name) || changed.has(range.name))
      .map((range) => [release, range] as const),
  );
}

function changedNames(from: Generation, to: Generation): ReadonlySet<string> {
  const { arriving, leaving } = changesBetween(from, to);
  return new Set([...arriving, ...leaving].map((each) => each.name));
}
