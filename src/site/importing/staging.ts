import { basename, dirname, join } from 'node:path';
import { installerFor, installerParts } from '../../bundle/installers.ts';
import { digestHex } from '../../core/digest.ts';
import { KIB } from '../../core/limits.ts';
import { type Bundle, type BundleBlob, dataParts } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { allocate, exists, makeFolder, remove } from '../../io/file.ts';
import type { PartDestination } from '../../io/hash-task.ts';
import { forEachBounded } from '../../io/queue.ts';
import { syncFiles } from '../../io/sync-files.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import type { SiteFolder } from '../site-folder.ts';
import { StagingJournal } from './staging-journal.ts';

/** Parts up to this size are synced in batches: one fsync each would take longer than everything else. */
const SMALL_PART_BYTES: number = 256 * KIB;
const BLOB_LOOKUPS_AT_ONCE = 16;

/** The folder in which a bundle is staged, by the bundle's id. */
export function stagingFolder(site: SiteFolder, id: string): string {
  return site.path('staging', id);
}

/**
 * What a site already has of one bundle: blobs in the store, parts in unfinished files, and recovery parts, which are
 * kept while anything is missing.
 */
export class Staging {
  readonly folder: string;
  readonly bundle: Bundle;
  readonly #site: SiteFolder;
  readonly #journal: StagingJournal;
  readonly #blobOf = new Map<Part, BundleBlob>();
  /** Blobs that are in the store. */
  readonly #stored = new Set<BundleBlob>();
  #deferred = false;

  private constructor(site: SiteFolder, folder: string, bundle: Bundle, journal: StagingJournal) {
    this.#site = site;
    this.folder = folder;
    this.bundle = bundle;
    this.#journal = journal;
    for (const blob of bundle.blobs) for (const part of blob.parts) this.#blobOf.set(part, blob);
  }

  /** Reads how far an earlier run got, and ignores a journal that the files on disk contradict. Writes nothing. */
  static async open(site: SiteFolder, id: string, bundle: Bundle): Promise<Staging> {
    const folder = stagingFolder(site, id);
    const journal = await StagingJournal.open(join(folder, 'journal'));
    const staging = new Staging(site, folder, bundle, journal);
    await forEachBounded(bundle.blobs, BLOB_LOOKUPS_AT_ONCE, async (blob) => {
      if ((await site.store.size(blob.digest)) === blob.size) staging.#stored.add(blob);
    });
    await staging.#forgetLost();
    return staging;
  }

  /** Installers and parts of blobs that are not at the site; installers first, then the bundle's order. */
  missing(): Part[] {
    const parts = [...installerParts(this.bundle), ...dataParts(this.bundle)];
    return parts.filter((part) => !this.has(part));
  }

  has(part: Part): boolean {
    const blob = this.#blobOf.get(part);
    return (blob !== undefined && this.#stored.has(blob)) || this.#journal.has(part);
  }

  /** Where this host's installer is or will be; undefined where the bundle has none for it. */
  get installer(): string | undefined {
    const own = installerFor(this.bundle, hostPlatform());
    return own === undefined ? undefined : join(this.folder, own.path);
  }

  /** Whether a part is written to the site; installers for other platforms are only hashed. */
  keeps(part: Part): boolean {
    const other = this.bundle.installers?.some((each) => each.path === part.path);
    return other !== true || this.installer === join(this.folder, part.path);
  }

  /** Where a part's bytes are, or will be, at the site. */
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

  /** The size of the file that {@link place} is in, in bytes. */
  placeSize(part: Part): number {
    return this.#blobOf.get(part)?.size ?? part.size;
  }

  /** Creates the file that a part goes to, at its full size: workers write at their offsets in any order. */
  async allocate(part: Part): Promise<void> {
    const { path } = this.place(part);
    await makeFolder(dirname(path));
    await allocate(path, this.placeSize(part));
  }

  /** Whether a part is written to a new file that is synced in a batch. */
  isSmall(part: Part): boolean {
    return part.size <= SMALL_PART_BYTES && this.#blobOf.get(part)?.parts.length === 1;
  }

  /** Records parts that were hashed, matched and fsynced in place; a blob that is complete gets its name. */
  async keep(...parts: readonly Part[]): Promise<void> {
    await this.#journal.add(parts);
    await this.#name(new Set(parts.flatMap((part) => this.#blobOf.get(part) ?? [])));
  }

  /** Syncs small parts together, then keeps them. */
  async commitBatch(parts: readonly Part[]): Promise<void> {
    await syncFiles(
      this.folder,
      parts.map((part) => this.place(part).path),
    );
    await this.keep(...parts);
  }

  /** Finishes what a killed run left: removes a journal without its bytes, names complete blobs. */
  async begin(): Promise<void> {
    await this.#journal.removeStale();
    if (!this.#deferred) await this.nameBlobs();
  }

  /** Leaves every blob unnamed until {@link nameBlobs}. */
  deferNaming(): void {
    this.#deferred = true;
  }

  /** Moves every complete blob into the store. */
  async nameBlobs(): Promise<void> {
    this.#deferred = false;
    await this.#name(this.bundle.blobs);
  }

  async discard(): Promise<void> {
    await remove(this.folder);
  }

  async #name(blobs: Iterable<BundleBlob>): Promise<void> {
    if (this.#deferred) return;
    const complete = [...blobs].filter(
      (blob) => !this.#stored.has(blob) && blob.parts.every((part) => this.#journal.has(part)),
    );
    for (const blob of complete) this.#stored.add(blob);
    await this.#site.store.adoptAll(
      complete.map((blob) => ({ path: this.#unfinished(blob), digest: blob.digest })),
    );
  }

  #unfinished(blob: BundleBlob): string {
    return join(this.folder, digestHex(blob.digest));
  }

  // Bytes of a journalled part that are neither in the store nor here were lost: the whole journal is ignored then.
  async #forgetLost(): Promise<void> {
    const journalled = [
      ...this.bundle.blobs.flatMap((blob) => {
        const part = blob.parts.find((each) => this.#journal.has(each));
        return part === undefined || this.#stored.has(blob) ? [] : [part];
      }),
      ...[...installerParts(this.bundle), ...(this.bundle.parity?.rows.flat() ?? [])].filter(
        (part) => this.#journal.has(part) && this.keeps(part),
      ),
    ];
    for (const part of journalled) {
      if (await exists(this.place(part).path)) continue;
      this.#journal.forget();
      return;
    }
  }
}
