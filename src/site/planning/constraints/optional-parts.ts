import { blobsWithout, partNames, withParts } from '../../../content/optional.ts';
import { formatBytes } from '../../../core/text.ts';
import { totalSize } from '../../../format/bundle.ts';
import { type Constraint, type DeployedRelease, LEFT_OUT } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../../target/change.ts';
import { loadRelease, partsNotRun, type Release, signedBundle } from '../../release/release.ts';
import type { ConstraintInput } from './constraint.ts';

/** The optional parts that each release has are at the site; those that it does without are named. */
export async function chosenParts({ context, site }: ConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(context.change)) {
    if (release.with === undefined) continue;
    const stored = await loadRelease(site, release.bundle);
    constraints.push(...atSite(release, release.with, stored));
    constraints.push(...leftOut(release, release.with, stored));
  }
  return constraints;
}

function atSite(
  release: DeployedRelease,
  chosen: readonly string[],
  stored: Release,
): Constraint[] {
  if (chosen.length === 0) return [];
  const signed = signedBundle(stored);
  const held = partNames(stored.bundle);
  const lacking = chosen.filter((name) => !held.has(name));
  const without = blobsWithout(signed, held);
  const wanted = withParts(signed, new Set([...held, ...chosen])).blobs;
  const bytes = totalSize(wanted.filter(({ digest }) => without.has(digest)));
  const { name, version, bundle } = release;
  const found =
    lacking.length === 0
      ? 'imported'
      : `${lacking.join(', ')} (${formatBytes(bytes)}) not imported: import bundle ${bundle.slice(0, 16)} of ${name} ${version} from media that have it, or take the list that "stowage repair-list ${name}@${version}" writes to the connected side`;
  return [
    {
      rule: 'parts',
      satisfied: lacking.length === 0,
      needs: `optional parts ${chosen.join(', ')} of ${releaseText(release)}`,
      found,
    },
  ];
}

function leftOut(
  release: DeployedRelease,
  chosen: readonly string[],
  stored: Release,
): Constraint[] {
  const names = partsNotRun(stored, chosen);
  if (names.length === 0) return [];
  return [
    {
      rule: LEFT_OUT,
      satisfied: true,
      needs: `${releaseText(release)} runs without optional parts`,
      found: names.join(', '),
    },
  ];
}
