import { basename, dirname, join } from 'node:path';
import { installerFor, installerParts } from '../../bundle/installers.ts';
import type { PartDestination } from '../../bundle/part-check.ts';
import { digestHex } from '../../core/digest.ts';
import { KIB } from '../../core/limits.ts';
import { type Bundle, type BundleBlob, dataParts } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { allocate, exists, makeFolder, remove } from '../../io/file.ts';
import { forEachBounded } from '../../io/queue.ts';
import { syncFiles } from '../../io/sync-files.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import type { SiteFolder } from '../site-folder.ts';
import { StagingJournal } from './staging-journal.ts';

/** Parts of at most so many bytes are synced together: an fsync for each takes longer than all else. */
const LOOSE_BYTES: number = 256 * KIB;
const LOOKED_FOR_AT_ONCE = 16;

/** The folder in which a bundle is staged, by the bundle's id. */
export function stagingFolder(site: SiteFolder, id: string): string {
  return site.path('staging', id);
}

/**
 * What of one bundle is at a site already: blobs in the store, parts in unfinished files, recovery parts that are kept
 * as long as something is missing.
 */
export class Staging {
  readonly folder: string;
  readonly bundle: Bundle;
  readonly #site: SiteFolder;
  readonly #journal: StagingJournal;
  readonly #blobOf = new Map<Part, BundleBlob>();
  /** Blobs that have their name in the store. */
  readonly #stored = new Set<BundleBlob>();
  #held = false;

  private constructor(site: SiteFolder, folder: string, bundle: Bundle, journal: StagingJournal) {
    this.#site = site;
    this.folder = folder;
    this.bundle = bundle;
    this.#journal = journal;
    for (const blob of bundle.blobs) for (const part of blob.parts) this.#blobOf.set(part, blob);
  }

  /** Reads how far an earlier run came, and does not believe a journal that cannot be true. Writes nothing. */
  static async open(site: SiteFolder, id: string, bundle: Bundle): Promise<Staging> {
    const folder = stagingFolder(site, id);
    const journal = await StagingJournal.open(join(folder, 'journal'));
    const staging = new Staging(site, folder, bundle, journal);
    await forEachBounded(bundle.blobs, LOOKED_FOR_AT_ONCE, async (blob) => {
      if ((await site.store.size(blob.digest)) === blob.size) staging.#stored.add(blob);
    });
    await staging.#forgetLost();
    return staging;
  }

  /** Parts of blobs, and installers, that are not at the site; installers first, the rest in the bundle's order. */
  missing(): Part[] {
    const parts = [...installerParts(this.bundle), ...dataParts(this.bundle)];
    return parts.filter((part) => !this.has(part));
  }

  has(part: Part): boolean {
    const blob = this.#blobOf.get(part);
    return (blob !== undefined && this.#stored.has(blob)) || this.#journal.has(part);
  }

  /** Where this host's installer is, or belongs; undefined where the bundle has none for it. */
  get installer(): string | undefined {
    const own = installerFor(this.bundle, hostPlatform());
    return own === undefined ? undefined : join(this.folder, own.path);
  }

  /** Whether a part is compared with what was signed and then kept; installers for other platforms are not. */
  keeps(part: Part): boolean {
    const other = this.bundle.installers?.some((each) => each.path === part.path);
    return other !== true || this.installer === join(this.folder, part.path);
  }

  /** Where a part's bytes are at the site, or belong. */
  place(part: Part): PartDestination {
    const blob = this.#blobOf.get(part);
    if (blob === undefined) {
      const folder = part.path.includes('/') ? join(this.folder, 'recovery') : this.folder;
      return { path: join(folder, basename(part.path)), offset: 0 };
    }
    const path = this.#stored.has(blob)
      ? this.#site.store.path(blob.digest)
      : this.#unfinished(blob);
    return { path, offset: part.offset };
  }

  /** The size of the file in which {@link place} is, in bytes. */
  placeSize(part: Part): number {
    return this.#blobOf.get(part)?.size ?? part.size;
  }

  /** Makes the file that a part goes to, of its full size: workers write at their offsets, in any order. */
  async allocate(part: Part): Promise<void> {
    const { path } = this.place(part);
    await makeFolder(dirname(path));
    await allocate(path, this.placeSize(part));
  }

  /** Whether a part is so small that it is written loosely: its file made anew, and synced with others. */
  isLoose(part: Part): boolean {
    return part.size <= LOOSE_BYTES && this.#blobOf.get(part)?.parts.length === 1;
  }

  /** Notes that parts' bytes are where they belong, matched and fsynced; blobs that are whole get their names. */
  async keep(...parts: readonly Part[]): Promise<void> {
    await this.#journal.add(parts);
    await this.#finish(new Set(parts.flatMap((part) => this.#blobOf.get(part) ?? [])));
  }

  /** Keeps parts that were written loosely, in their turn synced together. */
  async commitBatch(parts: readonly Part[]): Promise<void> {
    await syncFiles(
      this.folder,
      parts.map((part) => this.place(part).path),
    );
    await this.keep(...parts);
  }

  /** Ends what a run that was killed left undone: a journal without its bytes, a whole blob without its name. */
  async begin(): Promise<void> {
    await this.#journal.settle();
    if (!this.#held) await this.release();
  }

  /** Gives no blob its name before {@link release}. */
  hold(): void {
    this.#held = true;
  }

  /** Names every blob that is whole. */
  async release(): Promise<void> {
    this.#held = false;
    await this.#finish(this.bundle.blobs);
  }

  async discard(): Promise<void> {
    await remove(this.folder);
  }

  async #finish(blobs: Iterable<BundleBlob>): Promise<void> {
    if (this.#held) return;
    const whole = [...blobs].filter(
      (blob) => !this.#stored.has(blob) && blob.parts.every((part) => this.#journal.has(part)),
    );
    for (const blob of whole) this.#stored.add(blob);
    await this.#site.store.adoptAll(
      whole.map((blob) => ({ path: this.#unfinished(blob), digest: blob.digest })),
    );
  }

  #unfinished(blob: BundleBlob): string {
    return join(this.folder, digestHex(blob.digest));
  }

  // A part in the journal whose bytes lie neither in the store nor here was lost since: nothing there is believed.
  async #forgetLost(): Promise<void> {
    const there = async (part: Part): Promise<boolean> => exists(this.place(part).path);
    const noted = [
      ...this.bundle.blobs.flatMap((blob) => {
        const part = blob.parts.find((each) => this.#journal.has(each));
        return part === undefined || this.#stored.has(blob) ? [] : [part];
      }),
      ...[...installerParts(this.bundle), ...(this.bundle.parity?.rows.flat() ?? [])].filter(
        (part) => this.#journal.has(part) && this.keeps(part),
      ),
    ];
    for (const part of noted) {
      if (await there(part)) continue;
      this.#journal.forget();
      return;
    }
  }
}
