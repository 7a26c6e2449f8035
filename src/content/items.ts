import type { Digest } from '../core/digest.ts';
import type { Bundle } from '../format/bundle.ts';
import type { Lock } from '../format/lock.ts';
import type { Manifest } from '../format/manifest.ts';
import type { Described } from './artifact.ts';
import type { ContentKind, Forms, SizedBlob } from './content-kind.ts';
import { type FormsBySection, kinds } from './kinds.ts';

/** The sections of a document, each with items in the same form. */
export type Sections<K extends keyof Forms> = {
  readonly [S in keyof FormsBySection]: readonly NonNullable<FormsBySection[S]>[K][];
};

/** The items of one kind in a document with a section for it. */
export function itemsIn<K extends keyof Forms>(
  document: object,
  { section }: ContentKind,
): readonly Forms[K][] {
  return (document as Readonly<Record<string, readonly Forms[K][] | undefined>>)[section] ?? [];
}

/** Collects values from every item of a lock, kind by kind. */
export function fromLock<T>(
  lock: Lock,
  gather: (kind: ContentKind, item: Forms['locked']) => T | readonly T[],
  order: readonly ContentKind[] = kinds,
): T[] {
  return order.flatMap((kind) =>
    itemsIn<'locked'>(lock, kind).flatMap((item) => gather(kind, item)),
  );
}

/** Collects values from every item of a bundle, kind by kind. */
export function fromBundle<T>(
  bundle: Bundle,
  gather: (kind: ContentKind, item: Forms['bundled']) => T | readonly T[],
  order: readonly ContentKind[] = kinds,
): T[] {
  return order.flatMap((kind) =>
    itemsIn<'bundled'>(bundle, kind).flatMap((item) => gather(kind, item)),
  );
}

/** Whether a manifest or bundle is a notice: it has recalls or trust documents, but no services and no content. */
export function isNotice(document: Pick<Manifest, 'services'>): boolean {
  const sizes = kinds.map((kind) => itemsIn(document, kind).length);
  return document.services.length === 0 && sizes.every((size) => size === 0);
}

/** Makes a section for each kind, unless an optional kind has no items. @param make returns the items of one kind */
export function sections<K extends keyof Forms>(
  make: (kind: ContentKind) => readonly Forms[K][],
): Sections<K> {
  const made = kinds.map((kind) => ({ kind, items: make(kind) }));
  const shown = made.filter(({ kind, items }) => kind.optional !== true || items.length > 0);
  const all: object = Object.fromEntries(shown.map(({ kind, items }) => [kind.section, items]));
  return all as Sections<K>;
}

/** The kinds in the order of `index.json`, of the provenance and of the depot. The bytes of bundles depend on it. */
export function copiedFirst(): readonly ContentKind[] {
  return kinds.toSorted((a, b) => Number(b.copied) - Number(a.copied));
}

/** The manifest of every item of a lock, by the item's name. */
export function describeAll(lock: Lock): ReadonlyMap<string, Described> {
  const described = fromLock(
    lock,
    (kind, item) => [[item.name, kind.describe(item)] as const],
    copiedFirst(),
  );
  return new Map(described);
}

/** Every blob that a lock names, without duplicates, with its size in bytes. */
export function lockBlobs(lock: Lock): ReadonlyMap<Digest, number> {
  const named = fromLock(lock, (kind, item) => kind.blobs(item));
  return new Map(named.map(({ digest, size }) => [digest, size]));
}

/** Every blob of the bundle, including generated documents, without duplicates, sorted by digest. */
export function bundleBlobs(lock: Lock, described: ReadonlyMap<string, Described>): SizedBlob[] {
  const documents = [...described.values()].flatMap((each) => [...each.documents]);
  const blobs = new Map([
    ...lockBlobs(lock),
    ...documents.map(([digest, bytes]) => [digest, bytes.length] as const),
  ]);
  return [...blobs]
    .map(([digest, size]) => ({ digest, size }))
    .toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}
