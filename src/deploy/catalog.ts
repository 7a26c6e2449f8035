import { type Digest, digestHex } from '../core/digest.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../core/limits.ts';
import type { Catalog, CatalogEntry, CatalogModel } from '../depot/catalog.ts';
import type { Bundle } from '../format/bundle.ts';
import { loadRelease } from './release.ts';
import type { SiteFolder } from './site-folder.ts';

/**
 * What a depot serves of staged releases: one repository for each image, named `<release>/<image>`, and each model
 * under its name on the Hub.
 */
export async function catalogOf(site: SiteFolder, ids: readonly string[]): Promise<Catalog> {
  const entries: CatalogEntry[] = [];
  const models: CatalogModel[] = [];
  for (const id of ids) {
    const { bundle } = await loadRelease(site, id);
    for (const image of bundle.images) entries.push(await imageEntry(site, bundle, image));
    for (const model of bundle.models) models.push(modelEntry(bundle, model));
  }
  return {
    repositories: () => entries,
    models: () => models,
    blobPath: (digest) => site.store.path(digest),
  };
}

async function imageEntry(
  site: SiteFolder,
  bundle: Bundle,
  image: Bundle['images'][number],
): Promise<CatalogEntry> {
  const sizes = new Map(bundle.blobs.map((blob) => [blob.digest, blob.size]));
  const manifests = new Map<Digest, string>([[image.target.digest, image.target.mediaType]]);
  const blobs = new Map<Digest, number>();
  for (const platform of image.platforms) {
    const manifest = await readManifest(site, platform.manifest);
    manifests.set(platform.manifest, manifest.mediaType);
    for (const digest of manifest.refers) {
      const size = sizes.get(digest);
      if (size !== undefined) blobs.set(digest, size);
    }
  }
  return {
    repository: `${bundle.name}/${image.name}`,
    tags: { [bundle.version]: image.target.digest },
    manifests,
    blobs,
  };
}

function modelEntry(bundle: Bundle, model: Bundle['models'][number]): CatalogModel {
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

/** What a stored image manifest says of itself; its bytes were signed, and are checked against its digest again. */
async function readManifest(
  site: SiteFolder,
  digest: Digest,
): Promise<{ mediaType: string; refers: Digest[] }> {
  const bytes = await site.store.read(digest, MAX_OCI_MANIFEST_BYTES);
  const text = bytes.toString('utf8');
  const manifest = JSON.parse(text) as {
    mediaType?: string;
    config?: { digest?: Digest };
    layers?: readonly { digest?: Digest }[];
  };
  const refers = [manifest.config?.digest, ...(manifest.layers ?? []).map((layer) => layer.digest)];
  return {
    mediaType: manifest.mediaType ?? 'application/vnd.oci.image.manifest.v1+json',
    refers: refers.filter(
      (each): each is Digest => typeof each === 'string' && digestHex(each).length === 64,
    ),
  };
}
