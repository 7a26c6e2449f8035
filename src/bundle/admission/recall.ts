import { satisfies } from 'semver';
import type { Recall } from '../../format/deployment.ts';
import type { Generation } from '../../format/generation.ts';

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

/** An installed release that was recalled, and what to do about it. */
export interface RecalledRelease {
  readonly name: string;
  readonly version: string;
  readonly reason: string;
  readonly remedy: string;
}

/**
 * The releases of a generation that have been recalled.
 * @param kept all generations of the site that a rollback can restore
 */
export function recalledReleases(
  running: Generation,
  kept: readonly Generation[],
  recalls: readonly Recall[],
): RecalledRelease[] {
  return running.releases.flatMap(({ name, version }) => {
    const recall = recallOf({ name, version }, recalls);
    if (recall === undefined) return [];
    return [{ name, version, reason: recall.reason, remedy: remedyFor(name, kept, recalls) }];
  });
}

function remedyFor(name: string, kept: readonly Generation[], recalls: readonly Recall[]): string {
  const good = kept.findLast(
    (generation) =>
      generation.releases.some((each) => each.name === name) &&
      generation.releases.every((each) => recallOf(each, recalls) === undefined),
  );
  if (good === undefined)
    return `install a newer version of ${name}, or run "stowage uninstall ${name}"`;
  const version = good.releases.find((each) => each.name === name)?.version ?? '';
  return `run "stowage rollback --to ${good.number}" (${name} ${version}), or install a newer version`;
}
