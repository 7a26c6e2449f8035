import { basename, dirname, join } from 'node:path';
import { installerFor, installerParts } from '../../bundle/installers.ts';
import { contentOf } from '../../bundle/part-check.ts';
import { type PartNames, withParts } from '../../content/optional.ts';
import { type Emit, Tally } from '../../core/context.ts';
import { type Digest, digestHex } from '../../core/digest.ts';
import { KIB } from '../../core/limits.ts';
import { type Bundle, type BundleBlob, dataParts } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { allocate, exists } from '../../io/file.ts';
import { makeFolder, syncFiles } from '../../io/folder.ts';
import type { PartDestination } from '../../io/hash-task.ts';
import type { HashPool } from '../../io/hashing.ts';
import { forEachBounded } from '../../io/queue.ts';
import { type VerifyBlobOptions, verifyBlob } from '../../io/verify-blob.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { readChosen } from '../release/chosen-parts.ts';
import { listedBlob, sumsOf } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { copyGoodParts, unreadable } from './good-parts.ts';
import { StagingJournal } from './staging-journal.ts';

/** Parts up to this size are synced in batches: one fsync each would take longer than everything else. */
const SMALL_PART_BYTES: number = 256 * KIB;
const BLOB_LOOKUPS_AT_ONCE = 16;

export interface StagingCheck {
  readonly pool: HashPool;
  readonly emit: Emit;
  /** Whether to hash blobs whose files have not changed since they were last hashed, too. */
  readonly rehash?: boolean;
  /** Whether the media lack a part: what the store has in place of it is hashed before it counts. */
  readonly lacks?: (part: Part) => boolean;
}

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
  /** The blobs that the site is to have: all but those of optional parts that it does without. */
  readonly #wanted: ReadonlySet<Digest>;
  /** Blobs that are in the store. */
  readonly #stored = new Set<BundleBlob>();
  /** Blobs in the store whose files have another size. */
  readonly #misfits: BundleBlob[] = [];
  #damaged = 0;
  readonly #named = new Set<Digest>();
  #deferred = false;

  private constructor(
    site: SiteFolder,
    folder: string,
    { bundle, parts }: { readonly bundle: Bundle; readonly parts: PartNames },
    journal: StagingJournal,
  ) {
    this.#site = site;
    this.#wanted = new Set(withParts(bundle, parts).blobs.map(({ digest }) => digest));
    this.folder = folder;
    this.bundle = bundle;
    this.#journal = journal;
    for (const blob of bundle.blobs) for (const part of blob.parts) this.#blobOf.set(part, blob);
  }

  /**
   * Reads how far an earlier run got, and ignores a journal that the files on disk contradict. Writes nothing.
   * @param chosen the optional parts that the site is to have; those that the earlier run chose if absent
   */
  static async open(
    site: SiteFolder,
    id: string,
    bundle: Bundle,
    chosen?: PartNames,
  ): Promise<Staging> {
    const folder = stagingFolder(site, id);
    const parts = chosen ?? (await readChosen(folder, bundle));
    const journal = await StagingJournal.open(join(folder, 'journal'));
    const staging = new Staging(site, folder, { bundle, parts }, journal);
    await forEachBounded(bundle.blobs, BLOB_LOOKUPS_AT_ONCE, async (blob) => {
      const size = await site.store.size(blob.digest);
      if (size === blob.size) staging.#stored.add(blob);
      else if (size !== undefined && staging.#isWanted(blob)) staging.#misfits.push(blob);
    });
    await staging.#forgetLost();
    return staging;
  }

  /** Installers and parts of wanted blobs that are not at the site; installers first, then the bundle's order. */
  missing(): Part[] {
    const blobs = this.bundle.blobs.filter((blob) => this.#isWanted(blob));
    const parts = [...installerParts(this.bundle), ...dataParts({ blobs })];
    return parts.filter((part) => !this.has(part));
  }

  #isWanted({ digest }: BundleBlob): boolean {
    return this.#wanted.has(digest);
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

  /** Whether the site can do without a part: an installer for another platform. */
  isOptional(part: Part): boolean {
    const installs = this.bundle.installers?.some((each) => each.path === part.path);
    return installs === true && this.installer !== join(this.folder, part.path);
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

  /** Counts finished parts as missing. */
  async drop(parts: readonly Part[]): Promise<void> {
    await this.#journal.drop(parts);
  }

  /** Syncs small parts together, then keeps them. */
  async commitBatch(parts: readonly Part[]): Promise<void> {
    await syncFiles(
      this.folder,
      parts.map((part) => this.place(part).path),
    );
    await this.keep(...parts);
  }

  /**
   * Hashes what an earlier run or another bundle left, unless it is a blob whose file has not changed since it was last
   * hashed. Damaged parts count as missing. The other parts of a damaged blob are kept.
   * @throws StowageError `io-failed`, `space-insufficient`, `interrupted`
   */
  async verify({ pool, emit, rehash = false, lacks = () => false }: StagingCheck): Promise<void> {
    const replaced = (blob: BundleBlob): boolean => !blob.parts.some(lacks);
    for (const blob of this.#misfits.splice(0)) {
      this.#damaged += 1;
      emit({ type: 'warning', message: this.#damageMessage(blob, replaced(blob)) });
    }
    const resumed: Part[] = [];
    for (const [part, blob] of [...this.#blobOf, ...this.#others()])
      if (this.#journal.has(part) && !this.#isStored(blob))
        if (!this.isOptional(part) || (await exists(this.place(part).path))) resumed.push(part);
    const stored = [...this.#stored].filter((blob) => this.#isWanted(blob));
    const sizes = [...stored, ...resumed].map(({ size }) => size);
    if (sizes.length === 0) return;
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const tally = new Tally(emit, 'verify stored files', total);
    const options = { pool, rehash, onBytes: tally.add };
    const trusted: BundleBlob[] = [];
    await forEachBounded(stored, pool.width, async (blob) => {
      const alone = this.#isAlone(blob, lacks);
      if (await this.#isStoredIntact(blob, { ...options, rehash: rehash || alone })) {
        if (alone) trusted.push(blob);
        return;
      }
      emit({ type: 'warning', message: this.#damageMessage(blob, replaced(blob)) });
      this.#damaged += 1;
      await this.#demote(blob, pool);
    });
    await this.#journal.add(trusted.flatMap(({ parts }) => parts));
    const lost: Part[] = [];
    await forEachBounded(resumed, pool.width, async (part) => {
      if (!(await this.#isIntact(part, options))) lost.push(part);
    });
    for (const part of lost)
      emit({
        type: 'warning',
        message: `${part.path} was damaged after it was copied (${contentOf(this.bundle, part)}); it is copied again`,
      });
    await this.#journal.drop(lost);
  }

  /**
   * Hashes the blobs in the store that nothing else vouches for: the media lack them, and this import has not hashed them yet.
   * Each is hashed once in an import.
   * @throws StowageError `io-failed`, `space-insufficient`, `interrupted`
   */
  async verifyAlone(check: Required<Omit<StagingCheck, 'rehash'>>): Promise<void> {
    if ([...this.#stored].some((blob) => this.#isWanted(blob) && this.#isAlone(blob, check.lacks)))
      await this.verify(check);
  }

  #isAlone({ parts }: BundleBlob, lacks: (part: Part) => boolean): boolean {
    return parts.some((part) => lacks(part) && !this.#journal.has(part));
  }

  async #isStoredIntact(blob: BundleBlob, options: VerifyBlobOptions): Promise<boolean> {
    const listed = listedBlob(this.bundle, blob);
    return (await verifyBlob(this.#site.store, listed, options)) === 'intact';
  }

  /** How many blobs in the store {@link verify} found damaged. */
  get damaged(): number {
    return this.#damaged;
  }

  /** The digests of blobs that were moved into the store since {@link open}. */
  get named(): ReadonlySet<Digest> {
    return this.#named;
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

  async #name(blobs: Iterable<BundleBlob>): Promise<void> {
    if (this.#deferred) return;
    const complete = [...blobs].filter(
      (blob) => !this.#stored.has(blob) && blob.parts.every((part) => this.#journal.has(part)),
    );
    for (const blob of complete) this.#stored.add(blob);
    const { store } = this.#site;
    await store.adoptAll(
      complete.map((blob) => ({ path: this.#unfinished(blob), digest: blob.digest })),
    );
    for (const blob of complete) {
      this.#named.add(blob.digest);
      // Only a record: without it the blob is hashed again.
      await store.note(blob, sumsOf(this.bundle, blob)).catch(() => {});
    }
  }

  /** Moves a damaged blob out of the store. Its file may be mounted, so its good parts are copied, not the file moved. */
  async #demote(blob: BundleBlob, pool: HashPool): Promise<void> {
    const { store } = this.#site;
    const good =
      blob.parts.length === 1
        ? []
        : await copyGoodParts(blob, store.path(blob.digest), this.#unfinished(blob), pool);
    this.#stored.delete(blob);
    await this.#journal.drop(blob.parts);
    await store.forget(blob.digest);
    await this.keep(...good);
  }

  async #isIntact(part: Part, { pool, onBytes }: VerifyBlobOptions): Promise<boolean> {
    const { path, offset } = this.place(part);
    const task = {
      ...{ path, offset, size: this.placeSize(part), pieces: [{ length: part.size }] },
      hashes: ['sha512'],
    } as const;
    const found = await pool.run(task, onBytes).catch((error: unknown) => unreadable(error, ''));
    return found?.pieces[0]?.sha512 === part.sha512;
  }

  #isStored(blob: BundleBlob | undefined): boolean {
    return blob !== undefined && this.#stored.has(blob);
  }

  /** Parts of no blob. */
  #others(): (readonly [Part, undefined])[] {
    const { parity } = this.bundle;
    const parts = [...installerParts(this.bundle), ...(parity?.rows.flat() ?? [])];
    return parts.map((part) => [part, undefined] as const);
  }

  #damageMessage(blob: BundleBlob, replaced: boolean): string {
    const [part] = blob.parts;
    const name =
      part === undefined ? blob.digest : contentOf(this.bundle, { ...part, size: blob.size });
    return `a stored file is damaged: ${name} (${this.#site.store.path(blob.digest)}); ${replaced ? 'it is replaced from the bundle' : 'these media do not have it'}`;
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
        (part) => this.#journal.has(part) && !this.isOptional(part),
      ),
    ];
    for (const part of journalled) {
      if (await exists(this.place(part).path)) continue;
      this.#journal.forget();
      return;
    }
  }
}
