import type { Digest } from '../../core/digest.ts';
import type { Generation } from '../../format/plan.ts';
import { type RefusedRelease, type Release, uniqueBlobs } from '../release/release.ts';

/** Why data stays at a site. */
export interface Holder {
  /** `name version` of a release, or the name of its folder if its index cannot be read. */
  readonly release: string;
  /** What keeps it. */
  readonly by: 'current' | 'rollback' | 'imported' | 'promised' | 'unreadable';
  /** The kept generations that contain it, ascending. */
  readonly generations: readonly number[];
  /** Until when a receipt promises to keep it; absent if it stays for another reason. */
  readonly until?: string;
  /** Bytes that no other release at this site needs. */
  readonly bytes: number;
}

/** The releases that stay at a site and what keeps each. Pure. */
export function holdersOf(
  {
    releases,
    unclear,
    promised,
  }: {
    readonly releases: readonly Release[];
    readonly unclear: readonly RefusedRelease[];
    /** By the id of a bundle, until when it is kept only because a receipt promises it. */
    readonly promised: ReadonlyMap<string, string>;
  },
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
    const until = promised.get(id);
    const by = generations.includes(current.number)
      ? 'current'
      : generations.length > 0
        ? 'rollback'
        : until === undefined
          ? 'imported'
          : 'promised';
    const bytes = [...uniqueBlobs([release]).keys()]
      .filter(({ digest }) => uses.get(digest) === 1)
      .reduce((sum, { size }) => sum + size, 0);
    return {
      release: `${bundle.name} ${bundle.version}`,
      by,
      generations,
      bytes,
      ...(by === 'promised' ? { until: until ?? '' } : {}),
    };
  });
  const unreadable = unclear.map(
    ({ name }): Holder => ({ release: name, by: 'unreadable', generations: [], bytes: 0 }),
  );
  return [...readable, ...unreadable];
}
