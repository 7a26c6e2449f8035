import type { Described } from '../content/artifact.ts';
import type { ContentKind, Item } from '../content/content-kind.ts';
import { fromLock, itemsIn } from '../content/items.ts';
import type { Digest } from '../core/digest.ts';
import type { Lock } from '../format/lock.ts';
import type { OptionalContent } from '../format/optional.ts';

/**
 * What `bundle.json` states about the optional items of a lock beside their content: the blobs that no other item needs.
 * @returns the members for an item; none for one that every site has
 */
export function optionalContent(
  lock: Lock,
  described: ReadonlyMap<string, Described>,
): (kind: ContentKind, item: Item) => OptionalContent {
  const { manifest } = lock;
  const isOptional = (kind: ContentKind, { name }: Item): boolean =>
    itemsIn<'wanted'>(manifest, kind).some((each) => each.name === name && each.optional === true);
  const blobsOf = (kind: ContentKind, item: Item): Digest[] => [
    ...kind.blobs(item).map(({ digest }) => digest),
    ...(described.get(item.name)?.documents.keys() ?? []),
  ];
  const needed = new Set(
    fromLock(lock, (kind, item) => (isOptional(kind, item) ? [] : blobsOf(kind, item))),
  );
  return (kind, item) => {
    if (!isOptional(kind, item)) return {};
    const own = new Set(blobsOf(kind, item).filter((digest) => !needed.has(digest)));
    return { optional: true, blobs: [...own].toSorted() };
  };
}
