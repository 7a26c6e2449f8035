import { checkManifests } from '../../bundle/check-manifests.ts';
import type { HubModel, Served } from '../../content/content-kind.ts';
import { copiedFirst, fromBundle } from '../../content/items.ts';
import { includedIndex, type StoredManifest } from '../../content/manifest-claims.ts';
import { type Digest, digestHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type {
  Catalog,
  CatalogEntry,
  CatalogModel,
  CatalogRelease,
  Referrer,
  StoredFile,
} from '../../depot/catalog.ts';
import { type Bundle, dataParts } from '../../format/bundle.ts';
import { currentGeneration } from '../generations.ts';
import {
  listedBlob,
  listReleases,
  loadRelease,
  type RefusedRelease,
  refusedRelease,
  signedBundle,
  uniqueBlobs,
} from '../release/release.ts';
import { storedFiles } from '../release/stored-files.ts';
import type { SiteFolder } from '../site-folder.ts';
import { carEntry, fileCar, modelCar } from './car-entry.ts';
import { IntactBlobs } from './intact-blobs.ts';

/** Called when a blob is requested whose content is not that of its digest. */
type OnDamaged = (error: StowageError) => void;

/**
 * What a depot serves of imported releases, newer ones later, and those of the current generation last. Each item is a repository `<release>/<name>`, tagged with
 * the version of its release. An image has a second repository, named after its registry: `registry.example/x/y`, with
 * its original tag. A model has a second one, `<name>-car`: an image with its files. Repositories of the same
 * name in several releases are merged.
 * @throws StowageError `release-unknown`, `state-damaged`, `blob-damaged`, `file-missing`, `index-mismatch`
 */
export async function catalogOf(
  site: SiteFolder,
  ids: readonly string[],
  onDamaged: OnDamaged = () => {},
): Promise<Catalog> {
  const releases: CatalogRelease[] = [];
  for (const id of ids) releases.push(await loadRelease(site, id));
  const entries: CatalogEntry[] = [];
  const installed = await installedReleases(site);
  for (const { bundle } of installedLast(releases, installed))
    entries.push(...(await entriesOf(site, bundle)));
  return catalogFrom(site, { releases, entries, installed }, onDamaged);
}

/**
 * {@link catalogOf} for every release at a site. Those that cannot be served are left out.
 * @param onRefused called for each of them
 */
export async function catalogOfAll(
  site: SiteFolder,
  onRefused: (refused: RefusedRelease) => void,
  onDamaged: OnDamaged = () => {},
): Promise<Catalog> {
  const { releases, refused } = await listReleases(site);
  for (const each of refused) onRefused(each);
  const served: CatalogRelease[] = [];
  const entries: CatalogEntry[] = [];
  const installed = await installedReleases(site);
  for (const release of installedLast(releases, installed)) {
    try {
      entries.push(...(await entriesOf(site, release.bundle)));
      served.push(release);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      onRefused(refusedRelease(site, release, error));
    }
  }
  return catalogFrom(site, { releases: served, entries, installed }, onDamaged);
}

/** The ids of the releases of the current generation; none if it cannot be read: what is imported is served all the same. */
async function installedReleases(site: SiteFolder): Promise<ReadonlySet<string>> {
  try {
    return new Set((await currentGeneration(site)).releases.map(({ bundle }) => bundle));
  } catch (error) {
    if (error instanceof StowageError) return new Set();
    throw error;
  }
}

/** Tags of later entries win, and a release that was only imported must not replace what runs. */
function installedLast(
  releases: readonly CatalogRelease[],
  installed: ReadonlySet<string>,
): CatalogRelease[] {
  return releases.toSorted((a, b) => Number(installed.has(a.id)) - Number(installed.has(b.id)));
}

interface CatalogInput {
  readonly releases: readonly CatalogRelease[];
  readonly entries: readonly CatalogEntry[];
  readonly installed: ReadonlySet<string>;
}

function catalogFrom(
  site: SiteFolder,
  { releases, entries, installed }: CatalogInput,
  onDamaged: OnDamaged,
): Catalog {
  const merged = mergeEntries(entries);
  const listed = [...uniqueBlobs(releases)].map(([blob, bundle]) => listedBlob(bundle, blob));
  const byDigest = new Map(listed.map((each) => [each.digest, each]));
  const intact = new IntactBlobs(site.store, byDigest, onDamaged);
  const models = releases.flatMap(({ id, bundle }) =>
    fromBundle(bundle, (kind, item) => kind.hubModel?.(item) ?? []).map((model) =>
      hubModel(bundle, model, installed.has(id)),
    ),
  );
  return {
    repositories: () => merged,
    models: () => models,
    releases: () => releases,
    bundleFiles: filesOf(site, releases),
    blobPath: (digest) => site.store.path(digest),
    requireIntact: (digest, handle) => intact.require(digest, handle),
    linking: (blob, work) => site.store.linking([blob], work),
  };
}

/** Lists the files of each bundle at the first request, and again as long as some are missing. */
function filesOf(
  site: SiteFolder,
  releases: readonly CatalogRelease[],
): NonNullable<Catalog['bundleFiles']> {
  const known = new Map<string, ReadonlyMap<string, StoredFile>>();
  return async (id) => {
    const release = releases.find((each) => each.id === id);
    const listed = known.get(id) ?? (release && (await storedFiles(site, release)).files);
    if (release !== undefined && listed !== undefined)
      if (dataParts(signedBundle(release)).every(({ path }) => listed.has(path)))
        known.set(id, listed);
    return listed ?? new Map();
  };
}

/** The repositories of one imported bundle. @throws StowageError `blob-damaged`, `file-missing`, `index-mismatch` */
export async function entriesOf(site: SiteFolder, bundle: Bundle): Promise<CatalogEntry[]> {
  const of = { release: bundle.name, tag: bundle.version };
  const taken = new Set(fromBundle(bundle, (_, { name }) => name));
  const manifests = await checkManifests(bundle, (digest, maxBytes) =>
    site.store.read(digest, maxBytes),
  );
  const entries: CatalogEntry[] = [];
  for (const served of fromBundle(bundle, (kind, item) => kind.served(item, of), copiedFirst()))
    entries.push(entryOf(bundle, served, manifests));
  for (const content of [...bundle.models.map(modelCar), ...bundle.files.map(fileCar)])
    if (!taken.has(`${content.name}-car`)) entries.push(carEntry(site, bundle, content));
  return entries;
}

/** A repository with the manifests and blobs of an item and its attachments. */
function entryOf(
  bundle: Bundle,
  served: Served,
  known: ReadonlyMap<Digest, StoredManifest>,
): CatalogEntry {
  const { repository, target, attached = [], upstream } = served;
  const manifests = new Map<Digest, string>();
  if (target !== undefined) manifests.set(target.digest, target.mediaType);
  const blobs: Digest[] = [];
  const tags: Record<string, Digest> = {};
  const referrers = new Map<Digest, Referrer[]>();
  for (const digest of served.manifests) {
    const manifest = known.get(digest);
    if (manifest === undefined) continue;
    manifests.set(digest, manifest.mediaType);
    blobs.push(...manifest.blobs);
  }
  for (const { digest, kind, subject, artifactType } of attached) {
    const manifest = known.get(digest);
    if (manifest === undefined) continue;
    const { mediaType, size, annotations } = manifest;
    manifests.set(digest, mediaType);
    blobs.push(...manifest.blobs);
    if (kind === 'cosign') tags[`sha256-${digestHex(subject)}.sig`] = digest;
    else {
      const described = { mediaType, digest, size, artifactType };
      const all = referrers.get(subject) ?? [];
      all.push(annotations === undefined ? described : { ...described, annotations });
      referrers.set(subject, all);
    }
  }
  const included = includedIndex(served, known);
  if (included !== undefined) manifests.set(included.digest, included.mediaType);
  return {
    ...{ repository, manifests, referrers },
    ...(included && { made: new Map([[included.digest, [{ bytes: included.bytes }]]]) }),
    tags: { ...tags, ...included?.tags, ...served.tags },
    blobs: sizesOf(bundle, blobs),
    ...(upstream === undefined ? {} : { upstream }),
  };
}

function sizesOf(bundle: Bundle, digests: readonly Digest[]): Map<Digest, number> {
  const known = new Map(bundle.blobs.map((blob) => [blob.digest, blob.size]));
  return new Map(
    digests.flatMap((digest) => {
      const size = known.get(digest);
      return size === undefined ? [] : [[digest, size] as const];
    }),
  );
}

function hubModel(bundle: Bundle, model: HubModel, installed: boolean): CatalogModel {
  const { name, version, seq, resolvedAt } = bundle;
  const { repository, commit, source, license, tags, files } = model;
  return {
    repository,
    commit,
    revision: /@(.+)$/.exec(source)?.[1] ?? 'main',
    ...(license === undefined ? {} : { license }),
    ...(tags === undefined ? {} : { tags }),
    files,
    release: { name, version, seq, resolvedAt, ...(installed ? { installed } : {}) },
  };
}

/** Merges entries of the same repository; tags of later entries win. */
function mergeEntries(entries: readonly CatalogEntry[]): CatalogEntry[] {
  const merged = new Map<string, CatalogEntry>();
  for (const entry of entries) {
    const before = merged.get(entry.repository);
    merged.set(entry.repository, before === undefined ? entry : merge(before, entry));
  }
  return [...merged.values()];
}

function merge(a: CatalogEntry, b: CatalogEntry): CatalogEntry {
  const { upstream = a.upstream } = b;
  return {
    repository: a.repository,
    tags: { ...a.tags, ...b.tags },
    manifests: new Map([...a.manifests, ...b.manifests]),
    blobs: new Map([...a.blobs, ...b.blobs]),
    referrers: mergeReferrers(a.referrers ?? new Map(), b.referrers ?? new Map()),
    ...(upstream === undefined ? {} : { upstream }),
    ...(a.make === undefined && b.make === undefined ? {} : { make: () => makeBoth(a, b) }),
    ...(a.made === undefined && b.made === undefined
      ? {}
      : { made: new Map([...(a.made ?? []), ...(b.made ?? [])]) }),
  };
}

async function makeBoth(a: CatalogEntry, b: CatalogEntry): Promise<CatalogEntry> {
  const made = await Promise.all([a, b].map((each) => each.make?.() ?? each));
  return made.reduce(merge);
}

type Referrers = ReadonlyMap<Digest, readonly Referrer[]>;

function mergeReferrers(a: Referrers, b: Referrers): Referrers {
  const merged = new Map(a);
  for (const [subject, list] of b) {
    const before = merged.get(subject) ?? [];
    const known = new Set(before.map(({ digest }) => digest));
    merged.set(subject, [...before, ...list.filter(({ digest }) => !known.has(digest))]);
  }
  return merged;
}
