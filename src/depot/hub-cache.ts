import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import { interrupted } from '../core/error.ts';
import { exists, writeAtomic } from '../io/file.ts';
import { makeFolder, requireSpace } from '../io/folder.ts';
import { inTurn } from '../io/lock-file.ts';
import type { Catalog } from './catalog.ts';
import { copyBlob, linkBlob, openBlob } from './hub-cache-blob.ts';
import { type CacheContent, cacheContent } from './hub-cache-content.ts';
import { CacheFolder } from './hub-cache-folder.ts';
import { type HubFile, hubRepositories } from './hub-file.ts';

/** The first line is that of the Cache Directory Tagging specification: backup programs skip such a folder. */
const TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# Models of a site, written by stowage depot export.\n';

export interface ExportedRepository {
  readonly repository: string;
  /** Branches and tags, each with its commit. */
  readonly names: Readonly<Record<string, string>>;
  readonly commits: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

export interface HubCacheExport {
  readonly folder: string;
  readonly repositories: readonly ExportedRepository[];
  /** Files that are hard links into the store, that are copies, and that existed before. */
  readonly linked: number;
  readonly copied: number;
  readonly present: number;
  /** Files that other programs wrote, which were kept. */
  readonly kept: readonly string[];
}

/**
 * Writes the models of a catalog into the cache folder of the Hub's clients (`HF_HUB_CACHE`), complete for use offline,
 * by hard links into the store, or copies where links are impossible. A snapshot appears in one step and its names last.
 * Files of other programs are never replaced; another run adds what is new.
 * @throws StowageError `output-exists`, `blob-damaged`, `space-insufficient`, `interrupted`; what was created for the
 * current repository is then removed
 */
export async function exportHubCache(
  catalog: Catalog,
  folder: string,
  context: Context,
): Promise<HubCacheExport> {
  if (catalog.models().length === 0)
    return { folder, repositories: [], linked: 0, copied: 0, present: 0, kept: [] };
  await makeFolder(join(folder, '.locks'));
  const lock = join(folder, '.locks', 'stowage-export.lock');
  return inTurn(lock, { signal: context.signal }, async () => {
    const tag = join(folder, 'CACHEDIR.TAG');
    if (!(await exists(tag))) await writeAtomic(tag, Buffer.from(TAG));
    const exporting = new Exporting(catalog, folder, context);
    const repositories: ExportedRepository[] = [];
    for (const repository of hubRepositories(catalog.models()).values()) {
      const content = cacheContent(repository);
      context.emit({ type: 'step', step: 'export', subject: repository.id });
      await exporting.add(content);
      const blobs = [...content.blobs.values()];
      const names = [...repository.names].map(([name, { commit }]) => [name, commit] as const);
      repositories.push({
        repository: repository.id,
        names: Object.fromEntries(names),
        commits: [...repository.commits.keys()],
        files: blobs.length,
        bytes: blobs.reduce((sum, { size }) => sum + size, 0),
      });
    }
    const { linked, copied, present, kept } = exporting;
    return { folder, repositories, linked, copied, present, kept };
  });
}

class Exporting {
  linked = 0;
  copied = 0;
  present = 0;
  readonly kept: string[] = [];
  readonly #catalog: Catalog;
  readonly #folder: string;
  readonly #context: Context;
  #links = true;

  constructor(catalog: Catalog, folder: string, context: Context) {
    this.#catalog = catalog;
    this.#folder = folder;
    this.#context = context;
  }

  async add(content: CacheContent): Promise<void> {
    const place = new CacheFolder(join(this.#folder, content.folder));
    try {
      await this.#addBlobs(content, place);
      for (const snapshot of content.snapshots) await place.addSnapshot(snapshot);
      const kept = await place.addTexts(content.texts);
      this.kept.push(...kept.map((path) => `${content.folder}/${path}`));
      for (const path of kept)
        this.#warn(`${join(place.path, path)} was written by another program and is kept`);
      for (const name of content.unnamed)
        this.#warn(
          `the name of revision ${JSON.stringify(name.slice(0, 80))} cannot be a file name`,
        );
    } catch (error) {
      await place.undo();
      throw error;
    }
  }

  async #addBlobs({ blobs }: CacheContent, place: CacheFolder): Promise<void> {
    const { signal } = this.#context;
    let left = [...blobs.values()].reduce((sum, { size }) => sum + size, 0);
    for (const [etag, file] of blobs) {
      if (signal.aborted) throw interrupted(signal);
      const blob = this.#catalog.blobPath(file.digest);
      const made = await place.addBlob(etag, file.size, async (path) => {
        if (this.#links && (await this.#link(blob, file, path))) this.linked += 1;
        else {
          await this.#requireRoom(left);
          await copyBlob(blob, file, path, signal);
          this.copied += 1;
        }
      });
      if (!made) this.present += 1;
      left -= file.size;
    }
  }

  async #link(blob: string, file: HubFile, path: string): Promise<boolean> {
    const handle = await openBlob(blob);
    try {
      await this.#catalog.requireIntact(file.digest, handle);
    } finally {
      await handle.close();
    }
    return this.#catalog.linking(file, () => linkBlob(blob, file, path));
  }

  /** Warns once, and checks the free space before the first copy. */
  async #requireRoom(bytes: number): Promise<void> {
    await requireSpace(this.#folder, bytes);
    if (!this.#links) return;
    this.#links = false;
    this.#warn(
      `${this.#folder} cannot have hard links into the store: files are copied`,
      "choose a folder on the store's file system, as the owner of the store, to need no room",
    );
  }

  #warn(message: string, hint?: string): void {
    this.#context.emit({ type: 'warning', message, ...(hint === undefined ? {} : { hint }) });
  }
}
