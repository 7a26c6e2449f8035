import type { Digest } from '../../core/digest.ts';
import type { CatalogEntry, Referrer } from '../../depot/catalog.ts';

/** Merges entries of the same repository; tags of later entries win. */
export function mergeEntries(entries: readonly CatalogEntry[]): CatalogEntry[] {
  const merged = new Map<string, CatalogEntry>();
  for (const entry of entries) {
    const before = merged.get(entry.repository);
    merged.set(entry.repository, before === undefined ? entry : merge(before, entry));
  }
  return [...merged.values()];
}

function merge(a: CatalogEntry, b: CatalogEntry): CatalogEntry {
  const { upstream = a.upstream } = b;
  return {
    repository: a.repository,
    tags: { ...a.tags, ...b.tags },
    manifests: new Map([...a.manifests, ...b.manifests]),
    blobs: new Map([...a.blobs, ...b.blobs]),
    referrers: mergeReferrers(a.referrers ?? new Map(), b.referrers ?? new Map()),
    ...(upstream === undefined ? {} : { upstream }),
    ...(a.make === undefined && b.make === undefined ? {} : { make: () => makeBoth(a, b) }),
    ...(a.made === undefined && b.made === undefined
      ? {}
      : { made: new Map([...(a.made ?? []), ...(b.made ?? [])]) }),
  };
}

async function makeBoth(a: CatalogEntry, b: CatalogEntry): Promise<CatalogEntry> {
  const made = await Promise.all([a, b].map((each) => each.make?.() ?? each));
  return made.reduce(merge);
}

type Referrers = ReadonlyMap<Digest, readonly Referrer[]>;

function mergeReferrers(a: Referrers, b: Referrers): Referrers {
  const merged = new Map(a);
  for (const [subject, list] of b) {
    const before = merged.get(subject) ?? [];
    const known = new Set(before.map(({ digest }) => digest));
    merged.set(subject, [...before, ...list.filter(({ digest }) => !known.has(digest))]);
  }
  return merged;
}
