import { digestHex } from '../core/digest.ts';
import { includedTag, isRepositoryName, isTag, registryFolder } from '../core/repository-name.ts';
import { formatAmount, formatBytes, formatNumber } from '../core/text.ts';
import type { BundleImage } from '../format/bundled-content.ts';
import type { LockedImage } from '../format/locked-content.ts';
import type { ImageSource } from '../format/manifest.ts';
import type { ReportContents } from '../format/report-contents.ts';
import type { BlobFacts } from './bill-entry.ts';
import {
  type Branch,
  differenceBranches,
  namedChangeBranch,
  publisherBranches,
  sizedBranches,
} from './branches.ts';
import { changesBetween, isNothing, type Named, type NamedChange } from './changes.ts';
import type {
  ComparedItem,
  ContentKind,
  DepotAddress,
  Forms,
  ManifestClaim,
  Offer,
  Served,
} from './content-kind.ts';
import { addressOf, imageEntry } from './image-entry.ts';
import { diffPackages, type ListedPackage, type PackageChange } from './listed-packages.ts';
import type { ImagePlatform, Layer } from './seen.ts';
import { type Sheet, sha256 } from './sheet.ts';

export interface ComparedImage extends ComparedItem, Pick<BundleImage, 'source'> {
  readonly digest: BundleImage['target']['digest'];
  readonly platforms: readonly string[];
}

export interface ImageSummary extends Pick<ComparedImage, 'name' | 'source' | 'digest'> {
  readonly packages?: number;
}

export interface ImageChange extends NamedChange {
  /** Absent where one side has no list of packages. */
  readonly packages?: Named<ListedPackage, PackageChange>;
}

export interface ImageForms extends Forms {
  readonly wanted: ImageSource;
  readonly locked: LockedImage;
  readonly bundled: BundleImage;
  readonly reported: ReportContents['images'][number];
  readonly compared: ComparedImage;
  readonly summary: ImageSummary;
  readonly change: ImageChange;
}

/** A container image, for one platform or several, byte for byte as its registry served it. */
export const imageKind: ContentKind<ImageForms> = {
  section: 'images',
  copied: true,

  blobs: ({ blobs }) => blobs.map(({ digest, size }) => ({ digest, size })),
  describe: ({ target, attached = [] }) => ({ manifest: target, documents: new Map(), attached }),
  bundled: (item, _, facts) => {
    const { name, source, repository, target, platforms, signature, attached } = item;
    return {
      ...{ name, source, repository, target, platforms },
      ...(signature === undefined ? {} : { signature }),
      packages: countPackages(item, facts),
      ...(attached === undefined ? {} : { attached }),
    };
  },
  subjects: ({ name, target }) => [{ name: `image:${name}`, digest: target.digest }],
  signedAddress: ({ repository, target }) => `oci://${repository}@${target.digest}`,
  origins: (item) => ({
    own: { uri: addressOf(item), digest: { sha256: digestHex(item.target.digest) } },
    included: [],
  }),
  billEntry: imageEntry,
  lockLine: ({ name, repository, target }) => `image ${name}: ${repository}@${target.digest}`,

  layout: () => [],
  served: (item, { release, tag }) => {
    const { name, target, platforms, attached = [] } = item;
    const manifests = platforms.map((each) => each.manifest);
    const content = { target, manifests, platforms, attached };
    const own = { repository: `${release}/${name}`, tags: { [tag]: target.digest }, ...content };
    const upstream = upstreamOf(item);
    return upstream === undefined ? [own] : [own, { ...content, ...upstream }];
  },
  manifests: manifestClaims,
  pushedAs: ({ repository }) => {
    const slash = repository.indexOf('/');
    const [registry, path] = [repository.slice(0, slash), repository.slice(slash + 1)];
    return { registry: registryFolder(registry), path };
  },
  offer,

  title: ({ name }) => `Image ${name}`,
  blobName: ({ name, target, platforms }, digest) => {
    if (platforms.some((each) => each.config === digest)) return `the config of image ${name}`;
    if (platforms.some((each) => each.manifest === digest)) return `the manifest of image ${name}`;
    return target.digest === digest ? `the index of image ${name}` : undefined;
  },
  branch: (item, { platforms }) => {
    const own = platformsOf(item, platforms);
    const layers = layersOf(own);
    const size = sizeOf(layers);
    return {
      text: `${item.name}  ${layers.length === 0 ? '' : `${formatBytes(size)}  `}${item.source}`,
      ...(layers.length === 0 ? {} : { size }),
      below: [
        { text: item.target.digest },
        ...packageBranches(item.packages),
        ...publisherBranches(item.signature),
        ...own.map(platformBranch),
        ...(item.attached ?? []).map(({ kind, artifactType, size: bytes }) => ({
          text: `${kind} ${artifactType}, ${formatBytes(bytes)}`,
        })),
      ],
    };
  },
  sheet: (item, { platforms }) => {
    const { name, source, repository, target, attached = [] } = item;
    const beside = attached.map(({ kind, artifactType }) => `${kind} ${artifactType}`).join(', ');
    return {
      label: 'Image',
      name,
      facts: [
        ['Reference', source],
        ['Repository', repository],
        ['Digest, SHA-256', sha256(target.digest)],
        ['Attached', attached.length === 0 ? undefined : beside],
      ],
      parts: platformsOf(item, platforms).map(platformSheet),
    };
  },
  shares: (items, { platforms }) =>
    items.map((item) => {
      const layers = layersOf(platformsOf(item, platforms));
      return {
        what: `Image ${item.name}, its layers`,
        size: sizeOf(layers),
        blobs: layers.map(({ digest }) => digest),
      };
    }),
  reported: ({ name, source, repository, target, platforms }) => ({
    ...{ name, source, repository, digest: target.digest, platforms },
  }),
  reportSheet: ({ name, source, repository, digest, platforms }) => ({
    label: 'Image',
    name,
    facts: [
      ['Reference', source],
      ['Repository', repository],
      ['Digest, SHA-256', sha256(digest)],
      ...platforms.flatMap(
        ({ platform, manifest, config }) =>
          [
            [`${platform}: manifest`, sha256(manifest)],
            [`${platform}: config`, sha256(config)],
          ] as const,
      ),
    ],
  }),

  comparedFromLock: (item) => comparedOf(item),
  comparedFromBundle: (item, { bill }) => {
    const packages = bill?.find(({ image }) => image === item.name)?.packages;
    return { ...comparedOf(item), ...(packages === undefined ? {} : { packages }) };
  },
  summary: ({ name, source, digest, packages }) => ({
    ...{ name, source, digest },
    ...(packages && { packages: packages.length }),
  }),
  change: (from, to) => {
    const changes = changesBetween(members(from), members(to));
    const packages =
      from.packages === undefined || to.packages === undefined
        ? undefined
        : diffPackages(from.packages, to.packages);
    if (changes.length === 0 && (packages === undefined || isNothing(packages))) return undefined;
    return { name: to.name, changes, ...(packages && { packages }) };
  },
  summaryLine: ({ name, source, digest }) => `${name}  ${source} ${digest}`,
  changeBranch,
};

/** How many packages an image has on all its platforms, and how much of it could not be read. */
function countPackages(
  { platforms }: LockedImage,
  { packages }: BlobFacts,
): { found: number; unread: number } {
  const read = platforms.flatMap(({ manifest }) => packages.get(manifest) ?? []);
  const urls = new Set(read.flatMap((each) => each.packages.map(({ url }) => url)));
  return {
    found: urls.size,
    unread: read.reduce((sum, each) => sum + each.unread.length, 0),
  };
}

function manifestClaims({ name, target, platforms, attached }: BundleImage): ManifestClaim[] {
  const ofPlatforms = platforms.map(({ platform, manifest, config }) => ({
    what: `the manifest of image ${name} for ${platform}`,
    ...{ digest: manifest, config, complete: true },
  }));
  const beside = (attached ?? []).map(({ digest, artifactType }) => ({
    what: `the attachment ${artifactType} of image ${name}`,
    ...{ digest, complete: false },
  }));
  const manifests = platforms.map(({ manifest }) => manifest);
  if (manifests.every((digest) => digest === target.digest)) return [...ofPlatforms, ...beside];
  const index = { what: `the index of image ${name}`, digest: target.digest, complete: true };
  return [{ ...index, lists: manifests }, ...ofPlatforms, ...beside];
}

/** The name and tag of an image in its upstream registry, if the depot's API can express them. */
function upstreamOf({
  source,
  repository,
  target,
}: BundleImage): Pick<Served, 'repository' | 'tags' | 'upstream'> | undefined {
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

function platformsOf({ name }: BundleImage, platforms: readonly ImagePlatform[]): ImagePlatform[] {
  return platforms.filter(({ image }) => image === name);
}

/** The layers of several platforms, each once. */
function layersOf(platforms: readonly ImagePlatform[]): Layer[] {
  const layers = platforms.flatMap((each) => each.layers ?? []);
  return [...new Map(layers.map((each) => [each.digest, each])).values()];
}

function sizeOf(layers: readonly Layer[]): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}

function offer({ name, source, target, platforms }: BundleImage, depot: DepotAddress): Offer {
  const { host, secure, release, tag, has } = depot;
  const reference = `${host}/${release}/${name}`;
  const included = includedTag(tag);
  const isPartial = has(`${release}/${name}`, included);
  const insecure = secure ? '' : '--tls-verify=false ';
  return {
    title: `image ${name}`,
    facts: [
      ['source', source],
      ['digest', target.digest],
      ['platforms', platforms.map(({ platform }) => platform).join(', ')],
      ...(isPartial
        ? [
            [
              'copying',
              `the index ${tag} also lists platforms that this depot does not have, so skopeo copy --all needs the tag ${included}`,
            ] as const,
          ]
        : []),
    ],
    commands: [
      `podman pull ${insecure}${reference}:${tag}`,
      `skopeo inspect ${insecure}docker://${reference}@${target.digest}`,
      ...(isPartial
        ? [
            `skopeo copy --all ${secure ? '' : '--src-tls-verify=false '}docker://${reference}:${included} oci:${name}:${tag}`,
          ]
        : []),
    ],
  };
}

function platformBranch({ platform, manifest, layers }: ImagePlatform): Branch {
  if (layers === undefined)
    return {
      text: `${platform}  ${manifest}, layers unknown: the manifest is missing or differs from the index`,
    };
  return {
    text: `${platform}  ${manifest}, ${formatAmount(layers.length, 'layer')}, ${formatBytes(sizeOf(layers))}`,
    below: sizedBranches(layers.map(({ digest, size }) => ({ path: digest, size }))),
  };
}

function packageBranches(packages: BundleImage['packages']): Branch[] {
  if (packages === undefined) return [];
  const { found, unread } = packages;
  const places =
    unread === 0 ? '' : `, and ${formatAmount(unread, 'place')} that could not be read`;
  return [{ text: `${formatAmount(found, 'package')}${places}` }];
}

function platformSheet({ platform, manifest, layers }: ImagePlatform): Sheet {
  const head = { name: platform, facts: [['Manifest, SHA-256', sha256(manifest)]] as const };
  if (layers === undefined)
    return {
      ...head,
      remark:
        'The layers are unknown: the manifest is missing, or differs from the one that the index lists.',
    };
  return {
    ...head,
    table: {
      headers: ['Layer', 'Bytes', 'SHA-256'],
      rows: layers.map(({ size, digest }, index) => [
        formatNumber(index + 1),
        size,
        sha256(digest),
      ]),
    },
  };
}

function comparedOf(item: BundleImage | LockedImage): ComparedImage {
  const { name, source, target, platforms, signature } = item;
  return {
    ...{ name, source, digest: target.digest },
    platforms: platforms.map(({ platform }) => platform),
    ...(signature === undefined ? {} : { signature }),
  };
}

function members({ source, digest, platforms, signature }: ComparedImage): object {
  return { source, digest, platforms, signature };
}

function changeBranch({ packages, ...change }: ImageChange, of: 'bundle' | 'lock'): Branch {
  const { text, below = [] } = namedChangeBranch(change);
  if (packages === undefined) {
    const unlisted = 'packages: not compared, because one side has no readable package list';
    return { text, below: of === 'lock' ? below : [...below, { text: unlisted }] };
  }
  const list = differenceBranches(
    packages,
    ({ type, name, version }) => `${type} ${name} ${version}`,
    ({ type, name, from, to }) => ({
      text: `~ ${type} ${name} ${from.join(', ')} -> ${to.join(', ')}`,
    }),
  );
  return { text, below: list.length === 0 ? below : [...below, { text: 'packages', below: list }] };
}
