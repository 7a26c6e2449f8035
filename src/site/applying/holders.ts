import type { Digest } from '../../core/digest.ts';
import type { Generation } from '../../format/generation.ts';
import { type RefusedRelease, type Release, uniqueBlobs } from '../release/release.ts';

/** Why data stays at a site. */
export interface Holder {
  /** `name version` of a release, or the name of its folder if its index cannot be read. */
  readonly release: string;
  /** What keeps it. */
  readonly by: 'current' | 'rollback' | 'imported' | 'unreadable';
  /** The kept generations that contain it, ascending. */
  readonly generations: readonly number[];
  /** Bytes that no other release at this site needs. */
  readonly bytes: number;
}

/** The releases that stay at a site and what keeps each. Pure. */
export function holdersOf(
  { releases, unclear }: { releases: readonly Release[]; unclear: readonly RefusedRelease[] },
  current: Generation,
  kept: readonly Generation[],
): Holder[] {
  const uses = new Map<Digest, number>();
  for (const { bundle } of releases)
    for (const { digest } of new Set(bundle.blobs)) uses.set(digest, (uses.get(digest) ?? 0) + 1);
  const readable = releases.map((release): Holder => {
    const { id, bundle } = release;
    const generations = kept
      .filter((each) => each.releases.some((one) => one.bundle === id))
      .map(({ number }) => number)
      .toSorted((a, b) => a - b);
    const by = generations.includes(current.number)
      ? 'current'
      : generations.length > 0
        ? 'rollback'
        : 'imported';
    const bytes = [...uniqueBlobs([release]).keys()]
      .filter(({ digest }) => uses.get(digest) === 1)
      .reduce((sum, { size }) => sum + size, 0);
    return { release: `${bundle.name} ${bundle.version}`, by, generations, bytes };
  });
  const unreadable = unclear.map(
    ({ name }): Holder => ({ release: name, by: 'unreadable', generations: [], bytes: 0 }),
  );
  return [...readable, ...unreadable];
}
