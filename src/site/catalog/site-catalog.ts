import { stat } from 'node:fs/promises';
import type { Digest } from '../../core/digest.ts';
import { systemCode } from '../../core/error.ts';
import type { Catalog, CatalogEntry, CatalogModel, CatalogRelease } from '../../depot/catalog.ts';
import { findRelease, stagedReleases } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { catalogOf } from './catalog.ts';

export interface SiteCatalogOptions {
  readonly site: SiteFolder;
  /** Releases as a person names them; all when there are none. */
  readonly wanted: readonly string[];
  /** Hears why releases that came or went could not be taken notice of. */
  readonly onTrouble: (error: unknown) => void;
}

/** What a site's depot serves: all staged releases, or those that were named; read again when releases come or go. */
export class SiteCatalog implements Catalog {
  readonly #site: SiteFolder;
  readonly #wanted: readonly string[];
  #current: Catalog;
  #seen: string;
  #reading: Promise<void> | undefined;
  readonly #onTrouble: (error: unknown) => void;

  private constructor(
    { site, wanted, onTrouble }: SiteCatalogOptions,
    current: Catalog,
    seen: string,
  ) {
    this.#site = site;
    this.#wanted = wanted;
    this.#onTrouble = onTrouble;
    this.#current = current;
    this.#seen = seen;
  }

  /** @throws StowageError `release-unknown`, `state-damaged` */
  static async open(options: SiteCatalogOptions): Promise<SiteCatalog> {
    const { site, wanted } = options;
    const seen = await lastChange(site);
    return new SiteCatalog(options, await read(site, wanted), seen);
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

  blobPath(digest: Digest): string {
    return this.#current.blobPath(digest);
  }

  /** Reads the releases again when their folder changed. Where that fails, all stays as it was. */
  async refresh(): Promise<void> {
    this.#reading ??= this.#refresh().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #refresh(): Promise<void> {
    const seen = await lastChange(this.#site);
    if (seen === this.#seen) return;
    // Before it is read: what cannot be is tried again when the folder changes again, not at every request.
    this.#seen = seen;
    try {
      this.#current = await read(this.#site, this.#wanted);
    } catch (error) {
      this.#onTrouble(error);
    }
  }
}

async function read(site: SiteFolder, wanted: readonly string[]): Promise<Catalog> {
  if (wanted.length === 0) {
    const all = await stagedReleases(site);
    return catalogOf(
      site,
      all.map(({ id }) => id),
    );
  }
  const ids: string[] = [];
  for (const each of wanted) ids.push((await findRelease(site, each)).id);
  return catalogOf(site, ids);
}

/** Another text whenever a release was added to the folder of releases or taken from it. */
async function lastChange(site: SiteFolder): Promise<string> {
  try {
    const { mtimeNs, ino } = await stat(site.path('releases'), { bigint: true });
    return `${ino} ${mtimeNs}`;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}
