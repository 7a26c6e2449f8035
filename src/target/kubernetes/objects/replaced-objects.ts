import { join } from 'node:path';
import type { Json } from '../../../core/canonical-json.ts';
import { readCanonical, writeCanonical } from '../../../format/document.ts';
import {
  type ReplacedBySet,
  type ReplacedObjects as ReplacedDocument,
  replacedObjectsKind,
} from '../../../format/replaced-objects.ts';
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

  /** The objects that a set replaced. @param change only those of this change */
  async found(name: SetName, change?: string): Promise<readonly Found[]> {
    const { objects } = await this.#of(name);
    return objects
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

  /** Forgets what a change replaced, after it was given back. */
  async forgetChange(name: SetName, change: string): Promise<void> {
    const before = await this.#of(name);
    await this.#write(name, {
      ...before,
      changes: before.changes.filter((each) => each !== change),
      objects: before.objects.filter((each) => each.change !== change),
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
    await this.#store(entry.changes.length === 0 ? others : [...others, entry]);
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
