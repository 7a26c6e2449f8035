import { join } from 'node:path';
import type { Json } from '../../../core/json.ts';
import { readCanonical, writeCanonical } from '../../../format/document.ts';
import {
  type ReplacedBySet,
  type ReplacedObjects as ReplacedDocument,
  replacedObjectsKind,
} from '../../../format/site-state.ts';
import { readIfThere, remove, writeAtomic } from '../../../io/file.ts';
import type { Found } from '../api/cluster.ts';

/** A set of a release. */
export interface SetName {
  readonly release: string;
  readonly set: string;
}

/**
 * What the cluster had before a set replaced it. Each change looks once, before its first write: what it finds later is its own.
 * @throws StowageError `state-damaged` from every method
 */
export class ReplacedObjects {
  readonly #path: string;

  /** @param root the folder of the site */
  constructor(root: string) {
    this.#path = join(root, 'replaced-objects.json');
  }

  async hasBegun(name: SetName, change: string): Promise<boolean> {
    return (await this.#of(name)).changes.includes(change);
  }

  /** The objects that a change of a set replaced; those of every set of its release without a change, as objects can move between sets. */
  async found({ release, set }: SetName, change?: string): Promise<readonly Found[]> {
    const { sets } = await this.#read();
    return sets
      .filter((each) => each.release === release && (change === undefined || each.set === set))
      .flatMap(({ objects }) => objects)
      .filter((each) => change === undefined || each.change === change)
      .map(({ object }) => object);
  }

  /** Keeps what a change is about to replace. */
  async begin(name: SetName, change: string, objects: readonly Found[]): Promise<void> {
    const before = await this.#of(name);
    const added = objects.map((object) => ({ change, object: object as Record<string, Json> }));
    await this.#write(name, {
      ...before,
      changes: [...before.changes, change],
      objects: [...before.objects, ...added],
    });
  }

  /**
   * Forgets what was restored, so that the next change looks again.
   * @param isKept whether the release still has an object, which is restored later
   * @param change that was undone; all of the set, which can be undone no longer, if absent
   */
  async forget(name: SetName, isKept: (object: Found) => boolean, change?: string): Promise<void> {
    const before = await this.#of(name);
    const others = (each: string): boolean => change !== undefined && each !== change;
    await this.#write(name, {
      ...before,
      changes: before.changes.filter(others),
      objects: before.objects.filter((each) => others(each.change) || isKept(each.object)),
    });
  }

  /** Forgets everything of a release that is gone. */
  async forgetRelease(release: string): Promise<void> {
    const { sets } = await this.#read();
    if (sets.some((each) => each.release === release))
      await this.#store(sets.filter((each) => each.release !== release));
  }

  async #of({ release, set }: SetName): Promise<ReplacedBySet> {
    const { sets } = await this.#read();
    const known = sets.find((each) => each.release === release && each.set === set);
    return known ?? { release, set, changes: [], objects: [] };
  }

  async #write({ release, set }: SetName, entry: ReplacedBySet): Promise<void> {
    const { sets } = await this.#read();
    const others = sets.filter((each) => each.release !== release || each.set !== set);
    const isEmpty = entry.changes.length + entry.objects.length === 0;
    if (isEmpty && others.length === sets.length) return;
    await this.#store(isEmpty ? others : [...others, entry]);
  }

  async #store(sets: readonly ReplacedBySet[]): Promise<void> {
    if (sets.length === 0) return remove(this.#path);
    const document: ReplacedDocument = { schema: 'stowage/replaced-objects/v1', sets };
    await writeAtomic(this.#path, writeCanonical(replacedObjectsKind, document), 0o600);
  }

  async #read(): Promise<ReplacedDocument> {
    const bytes = await readIfThere(this.#path, replacedObjectsKind.maxBytes);
    if (bytes === undefined) return { schema: 'stowage/replaced-objects/v1', sets: [] };
    return readCanonical(replacedObjectsKind, bytes);
  }
}
