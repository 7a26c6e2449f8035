import type { Digest } from '../../core/digest.ts';
import { digestHex } from '../../core/digest.ts';
import type {
  Catalog,
  CatalogEntry,
  CatalogModel,
  CatalogRelease,
  Referrer,
} from '../../depot/catalog.ts';
import { isRepositoryName, isTag, registryFolder } from '../../depot/repository-name.ts';
import type { Bundle, BundleImage } from '../../format/bundle.ts';
import { loadRelease } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { carEntry } from './car-entry.ts';
import { mergeEntries } from './merge-entries.ts';
import { readManifest } from './oci-manifest.ts';

/**
 * What a depot serves of staged releases, the newer ones last. Each image, model and files is a repository
 * `<release>/<name>` with its release's version as a tag. An image has a second, by the name of where it comes from:
 * `registry.example/x/y`, with the tag that it had there. A model has a second, `<name>-car`: an image that holds its
 * files. Repositories of several releases are one.
 */
export async function catalogOf(site: SiteFolder, ids: readonly string[]): Promise<Catalog> {
  const releases: CatalogRelease[] = [];
  for (const id of ids) releases.push(await loadRelease(site, id));
  const entries: CatalogEntry[] = [];
  for (const { bundle } of releases) entries.push(...(await entriesOf(site, bundle)));
  const merged = mergeEntries(entries);
  const models = releases.flatMap(({ bundle }) =>
    bundle.models.map((model) => hubModel(bundle, model)),
  );
  return {
    repositories: () => merged,
    models: () => models,
    releases: () => releases,
    blobPath: (digest) => site.store.path(digest),
  };
}

async function entriesOf(site: SiteFolder, bundle: Bundle): Promise<CatalogEntry[]> {
  const entries: CatalogEntry[] = [];
  for (const image of bundle.images) {
    const content = await imageContent(site, bundle, image);
    entries.push({
      ...content,
      repository: `${bundle.name}/${image.name}`,
      tags: { ...content.tags, [bundle.version]: image.target.digest },
    });
    const upstream = upstreamOf(image);
    if (upstream !== undefined)
      entries.push({ ...content, ...upstream, tags: { ...content.tags, ...upstream.tags } });
  }
  const taken = new Set(
    [...bundle.models, ...bundle.images, ...bundle.files].map((each) => each.name),
  );
  for (const model of bundle.models) {
    const { name, manifest, commit } = model;
    entries.push(await artifact(site, bundle, name, manifest, { [commit]: manifest }));
    if (!taken.has(`${name}-car`)) entries.push(carEntry(site, bundle, model));
  }
  for (const { name, manifest } of bundle.files)
    entries.push(await artifact(site, bundle, name, manifest));
  return entries;
}

/** The repository of an artifact of ours, of one manifest. */
async function artifact(
  site: SiteFolder,
  bundle: Bundle,
  name: string,
  manifest: Digest,
  tags: Readonly<Record<string, Digest>> = {},
): Promise<CatalogEntry> {
  const { mediaType, blobs } = await readManifest(site.store, manifest);
  return {
    repository: `${bundle.name}/${name}`,
    tags: { ...tags, [bundle.version]: manifest },
    manifests: new Map([[manifest, mediaType]]),
    blobs: sizesOf(bundle, blobs),
  };
}

type Content = Pick<CatalogEntry, 'blobs' | 'manifests' | 'referrers' | 'tags'>;

/** The manifests and blobs of an image and of what is attached to it; the tags are those of cosign's signatures. */
async function imageContent(
  site: SiteFolder,
  bundle: Bundle,
  image: BundleImage,
): Promise<Content> {
  const manifests = new Map<Digest, string>([[image.target.digest, image.target.mediaType]]);
  const blobs: Digest[] = [];
  const tags: Record<string, Digest> = {};
  const referrers = new Map<Digest, Referrer[]>();
  for (const platform of image.platforms) {
    const manifest = await readManifest(site.store, platform.manifest);
    manifests.set(platform.manifest, manifest.mediaType);
    blobs.push(...manifest.blobs);
  }
  for (const { digest, kind, subject, artifactType } of image.attached ?? []) {
    const { mediaType, size, annotations, ...manifest } = await readManifest(site.store, digest);
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
  return { manifests, blobs: sizesOf(bundle, blobs), tags, referrers };
}

/** The name and tag that an image has where it comes from, as far as this API can say them. */
function upstreamOf({
  source,
  repository,
  target,
}: BundleImage): Pick<CatalogEntry, 'repository' | 'tags' | 'upstream'> | undefined {
  const slash = repository.indexOf('/');
  const [registry, path] = [repository.slice(0, slash), repository.slice(slash + 1)];
  const name = `${registryFolder(registry)}/${path}`;
  if (slash < 1 || !isRepositoryName(name)) return undefined;
  const named = source.replace(/@.*$/, '');
  const tag = named.includes(':', named.lastIndexOf('/')) ? named.replace(/^.*:/, '') : undefined;
  const known = tag ?? (source.includes('@') ? undefined : 'latest');
  return {
    repository: name,
    tags: known !== undefined && isTag(known) ? { [known]: target.digest } : {},
    upstream: { registry, path },
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

function hubModel(bundle: Bundle, model: Bundle['models'][number]): CatalogModel {
  const { name, version, seq, resolvedAt } = bundle;
  const { repository, commit, source, license, tags, files } = model;
  return {
    repository,
    commit,
    revision: /@(.+)$/.exec(source)?.[1] ?? 'main',
    ...(license === undefined ? {} : { license }),
    ...(tags === undefined ? {} : { tags }),
    files,
    release: { name, version, seq, resolvedAt },
  };
}
