import { satisfies } from 'semver';
import type { Constraint } from '../../format/plan.ts';
import type { Question } from './constraint.ts';

/** The releases that the bundle requires run at this site, in versions that it takes. */
export function requiredReleases({ bundle, from }: Question): Constraint[] {
  return bundle.requires.releases.map((need) => {
    const found = from.releases.find((each) => each.name === need.name);
    return {
      rule: 'requires',
      satisfied: found !== undefined && satisfies(found.version, need.version),
      needs: `release ${need.name} ${need.version} runs at this site`,
      found: found?.version ?? 'none',
    };
  });
}
