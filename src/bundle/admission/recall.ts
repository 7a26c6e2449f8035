import { satisfies } from 'semver';
import type { Recall } from '../../format/deployment.ts';

/** The recall that applies to a release, or undefined. */
export function recallOf(
  release: { readonly name: string; readonly version: string },
  recalls: readonly Recall[],
): Recall | undefined {
  return recalls.find(
    (each) =>
      each.release === release.name &&
      satisfies(release.version, each.versions, { includePrerelease: true }),
  );
}
