import { satisfies } from 'semver';
import type { ReleaseRange } from '../../../format/deployment.ts';
import type { DeployedRelease, Generation } from '../../../format/generation.ts';
import type { Constraint } from '../../../format/plan.ts';
import { bundleOf, changesBetween, releaseText } from '../../../target/change.ts';
import type { ConstraintInput } from './constraint.ts';

/** What each release requires of the others runs, in versions that it takes: also after one of them changed or left. */
export function requiredReleases(input: ConstraintInput): Constraint[] {
  const { to } = input.context.change;
  return touched(input, 'releases').map(([release, need]) => {
    const found = to.releases.find((each) => each.name === need.name);
    return {
      rule: 'requires',
      satisfied: found !== undefined && satisfies(found.version, need.version),
      needs: `release ${need.name} ${need.version}, which ${releaseText(release)} requires`,
      found: found === undefined ? `no release ${need.name} would run` : releaseText(found),
    };
  });
}

/** No release runs beside one that it, or that one, says it cannot run beside. */
export function conflictingReleases(input: ConstraintInput): Constraint[] {
  const { to } = input.context.change;
  return touched(input, 'conflicts').map(([release, range]) => {
    const found = to.releases.find(
      (each) =>
        each.name === range.name &&
        each.name !== release.name &&
        satisfies(each.version, range.version, { includePrerelease: true }),
    );
    return {
      rule: 'conflict',
      satisfied: found === undefined,
      needs: `no release ${range.name} ${range.version} beside ${releaseText(release)}`,
      found: found === undefined ? 'none' : `${releaseText(found)} would run`,
    };
  });
}

type Said = readonly [release: DeployedRelease, range: ReleaseRange];

/** What releases that will run say of others, where the one or the other changes by this plan. */
function touched({ context }: ConstraintInput, what: 'releases' | 'conflicts'): readonly Said[] {
  const { from, to, bundles } = context.change;
  const changed = changedNames(from, to);
  return to.releases.flatMap((release) =>
    bundleOf(bundles, release)
      .requires[what].filter((range) => changed.has(release.name) || changed.has(range.name))
      .map((range) => [release, range] as const),
  );
}

function changedNames(from: Generation, to: Generation): ReadonlySet<string> {
  const { arriving, leaving } = changesBetween(from, to);
  return new Set([...arriving, ...leaving].map((each) => each.name));
}
