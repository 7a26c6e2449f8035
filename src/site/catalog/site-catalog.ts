import { type FileHandle, lstat } from 'node:fs/promises';
import type { Digest } from '../../core/digest.ts';
import { systemCode } from '../../core/error.ts';
import type {
  Catalog,
  CatalogEntry,
  CatalogModel,
  CatalogRelease,
  Installed,
  InstalledService,
  StoredFile,
} from '../../depot/catalog.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import { currentGeneration } from '../generations.ts';
import { findRelease, type RefusedRelease } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { catalogOf, catalogOfAll } from './catalog.ts';

export interface SiteCatalogOptions {
  readonly site: SiteFolder;
  /** Names of releases; all if empty. */
  readonly wanted: readonly string[];
  /** The services of a release in a generation; none without a target. */
  readonly services?: (release: DeployedRelease) => readonly InstalledService[];
  /** Called when a changed list of releases cannot be read, and when a damaged blob is requested. */
  readonly onError: (error: unknown) => void;
  /** Called for each release that cannot be served; the others are. */
  readonly onRefused: (refused: RefusedRelease) => void;
}

/** What the depot of a site serves: all imported releases, or the named ones. Reread when releases are added, removed or installed. */
export class SiteCatalog implements Catalog {
  readonly #options: SiteCatalogOptions;
  #current: Catalog;
  #seen: string;
  #reading: Promise<void> | undefined;

  private constructor(options: SiteCatalogOptions, current: Catalog, seen: string) {
    this.#options = options;
    this.#current = current;
    this.#seen = seen;
  }

  /** @throws StowageError `release-unknown`, `state-damaged` */
  static async open(options: SiteCatalogOptions): Promise<SiteCatalog> {
    const seen = await lastChange(options.site);
    return new SiteCatalog(options, await read(options), seen);
  }

  repositories(): readonly CatalogEntry[] {
    return this.#current.repositories();
  }

  releases(): readonly CatalogRelease[] {
    return this.#current.releases();
  }

  models(): readonly CatalogModel[] {
    return this.#current.models();
  }

  async installed(): Promise<Installed | undefined> {
    const { site, services = () => [] } = this.#options;
    try {
      const { number, releases } = await currentGeneration(site);
      return {
        generation: number,
        releases: new Map(releases.map((each) => [each.bundle, services(each)])),
      };
    } catch (error) {
      this.#options.onError(error);
      return undefined;
    }
  }

  async bundleFiles(id: string): Promise<ReadonlyMap<string, StoredFile>> {
    return (await this.#current.bundleFiles?.(id)) ?? new Map();
  }

  blobPath(digest: Digest): string {
    return this.#current.blobPath(digest);
  }

  requireIntact(digest: Digest, handle: FileHandle): Promise<void> {
    return this.#current.requireIntact(digest, handle);
  }

  linking<T>(
    blob: { readonly digest: Digest; readonly size: number },
    work: () => Promise<T>,
  ): Promise<T> {
    return this.#current.linking(blob, work);
  }

  /** Rereads the releases if their folder or the current generation changed. On failure, the catalog stays unchanged. */
  async refresh(): Promise<void> {
    this.#reading ??= this.#refresh().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #refresh(): Promise<void> {
    const seen = await lastChange(this.#options.site);
    if (seen === this.#seen) return;
    // Before reading: after a failure, retry at the next change of the folder, not at every request.
    this.#seen = seen;
    try {
      this.#current = await read(this.#options);
    } catch (error) {
      this.#options.onError(error);
    }
  }
}

async function read({ site, wanted, onRefused, onError }: SiteCatalogOptions): Promise<Catalog> {
  if (wanted.length === 0) return catalogOfAll(site, onRefused, onError);
  const ids: string[] = [];
  for (const each of wanted) ids.push((await findRelease(site, each)).id);
  return catalogOf(site, ids, onError);
}

/** A text that changes whenever a release is added or removed, or another generation becomes current. */
async function lastChange(site: SiteFolder): Promise<string> {
  const marks: string[] = [];
  for (const path of [site.path('releases'), site.path('current')]) {
    try {
      const { mtimeNs, ino } = await lstat(path, { bigint: true });
      marks.push(`${ino} ${mtimeNs}`);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      marks.push('');
    }
  }
  return marks.join(' / ');
}
