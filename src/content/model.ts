import { digestHex } from '../core/digest.ts';
import type { Json } from '../core/json.ts';
import { counted, formatAmount, formatBytes } from '../core/text.ts';
import type { BundleModel } from '../format/bundled-content.ts';
import type { LockedModel } from '../format/locked-content.ts';
import type { ModelSource } from '../format/manifest.ts';
import type { ReportContents } from '../format/report-contents.ts';
import type { BillEntry, ModelFacts } from './bill-entry.ts';
import {
  type Branch,
  differenceBranches,
  namedChangeBranch,
  publisherBranches,
  sizedBranches,
} from './branches.ts';
import { byKey, changesBetween, isNothing, type Named, type NamedChange } from './changes.ts';
import type { ComparedItem, ContentKind, DepotAddress, Forms, Offer } from './content-kind.ts';
import { licensesOf } from './licenses.ts';
import { addressOf, describeModel } from './model-pack.ts';
import { type Sheet, sha256 } from './sheet.ts';

type File = Pick<LockedModel['files'][number], 'path' | 'size' | 'digest'>;

export interface ComparedModel
  extends ComparedItem,
    Pick<BundleModel, 'source' | 'repository' | 'commit' | 'files'> {}

export interface ModelSummary
  extends Pick<ComparedModel, 'name' | 'repository' | 'commit' | 'license'> {
  readonly files: number;
  readonly size: number;
}

export interface ModelChange extends NamedChange {
  readonly files: Named<File, { readonly path: string; readonly from: File; readonly to: File }>;
}

export interface ModelForms extends Forms {
  readonly wanted: ModelSource;
  readonly locked: LockedModel;
  readonly bundled: BundleModel;
  readonly reported: ReportContents['models'][number];
  readonly compared: ComparedModel;
  readonly summary: ModelSummary;
  readonly change: ModelChange;
}

/** Files of a Hub repository at one commit: one unpacked blob per file, described by a ModelPack manifest. */
export const modelKind: ContentKind<ModelForms> = {
  section: 'models',
  copied: false,

  blobs: ({ files }) => files.map(({ digest, size }) => ({ digest, size })),
  describe: describeModel,
  bundled: (
    { name, source, repository, commit, license, tags = [], signature, files },
    manifest,
  ) => ({
    ...{ name, source, repository, commit },
    ...(license === undefined ? {} : { license }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(signature === undefined ? {} : { signature }),
    manifest,
    files: files.map(({ path, size, digest, gitOid }) => ({
      ...{ path, size, digest },
      ...(gitOid === undefined ? {} : { gitOid }),
    })),
  }),
  subjects: ({ name, files }, leftOut) =>
    files
      .filter(({ path }) => leftOut?.has(path) !== true)
      .map(({ path, digest }) => ({ name: `model:${name}/${path}`, digest })),
  signedAddress: (item) =>
    item.origin === undefined ? `${addressOf(item)}/tree/${item.commit}` : item.origin.uri,
  origins: (item) => ({ own: { uri: addressOf(item), digest: revisionOf(item) }, included: [] }),
  billEntry: (item, { models }) => billEntry(item, models.get(item.name) ?? {}),
  lockLine: ({ name, source, origin, repository, commit, license = 'unknown', files }) => {
    const from = origin === undefined ? '' : `, from ${source}`;
    return `model ${name}: ${repository} at ${commit}${from}, ${counted(files.length, 'file')}, license ${license}`;
  },

  layout: ({ name, files }) =>
    files.map(({ path, digest }) => ({ path: `models/${name}/${path}`, digest, unpack: false })),
  served: ({ name, manifest, commit }, { release, tag }) => [
    {
      repository: `${release}/${name}`,
      tags: { [commit]: manifest, [tag]: manifest },
      manifests: [manifest],
    },
  ],
  manifests: ({ name, manifest, files }) => [
    {
      ...{ what: `the manifest of model ${name}`, digest: manifest, complete: true },
      layers: files.map(({ digest }) => digest),
    },
  ],
  hubModel: (item) => item,
  pushedAs: ({ repository }) => ({ registry: 'hub', path: repository }),
  offer,

  title: ({ name }) => `Model ${name}`,
  license: ({ license = 'not known' }) => license,
  blobName: ({ name, manifest, files }, digest) => {
    const file = files.find((each) => each.digest === digest);
    if (file !== undefined) return `${file.path} of model ${name}`;
    return manifest === digest ? `the manifest of model ${name}` : undefined;
  },
  branch: ({ name, repository, commit, license = 'unknown', files, signature }) => ({
    text: `${name}  ${formatBytes(sizeOf(files))}  ${repository} at ${commit}, license ${license}`,
    size: sizeOf(files),
    below: [...publisherBranches(signature), ...sizedBranches(files)],
  }),
  sheet,
  shares: (items) =>
    items.map(({ name, files }) => ({
      what: `Model ${name}`,
      size: sizeOf(files),
      blobs: files.map(({ digest }) => digest),
    })),
  reported: ({ name, source, repository, commit, license, files }) => ({
    ...{ name, source, repository, commit },
    ...(license === undefined ? {} : { license }),
    files: files.map(fileOf),
  }),
  reportSheet: sheet,

  comparedFromLock: (item) => item,
  comparedFromBundle: (item) => item,
  summary: ({ name, repository, commit, license, files }) => ({
    ...{ name, repository, commit },
    ...(license && { license }),
    ...{ files: files.length, size: sizeOf(files) },
  }),
  change: (from, to) => {
    const files = byKey(
      from.files.map(fileOf),
      to.files.map(fileOf),
      ({ path }) => path,
      (a, b) => (a.digest === b.digest ? undefined : { path: a.path, from: a, to: b }),
    );
    const changes = changesBetween(members(from), members(to));
    return changes.length === 0 && isNothing(files) ? undefined : { name: to.name, changes, files };
  },
  summaryLine: ({ name, repository, commit, license = 'unknown', files, size }) =>
    `${name}  ${repository} at ${commit}, license ${license}, ${formatBytes(size)} in ${formatAmount(files, 'file')}`,
  changeBranch: ({ files, ...change }): Branch => {
    const { text, below = [] } = namedChangeBranch(change);
    const changedFiles = differenceBranches(
      files,
      ({ path, size }) => `${path}  ${formatBytes(size)}`,
      ({ path, from, to }) => ({
        text: `~ ${path}  ${formatBytes(from.size)} -> ${formatBytes(to.size)}`,
      }),
    );
    return { text, below: [...below, ...changedFiles] };
  },
};

/** Whether its repository and commit are those of a Hub. */
function isOfHub({ origin, hop }: Pick<LockedModel, 'origin' | 'hop'>): boolean {
  const through = origin?.kind === 'bundle' ? hop?.origin : origin;
  return through === undefined || through.kind === 'hub-cache';
}

function revisionOf(item: LockedModel): Record<string, string> {
  const { origin, commit } = item;
  return {
    ...(origin === undefined ? {} : { sha256: digestHex(origin.digest) }),
    ...(isOfHub(item) ? { gitCommit: commit } : {}),
  };
}

function fileOf({ path, size, digest }: File): File {
  return { path, size, digest };
}

function sizeOf(files: readonly File[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

function members({ source, repository, commit, license, signature }: ComparedModel): object {
  return { source, repository, commit, license, signature };
}

/** Its package URL; none for a folder. */
function packageUrl(item: LockedModel): string | undefined {
  const { origin, repository, commit } = item;
  if (isOfHub(item)) return `pkg:huggingface/${repository}@${commit}`;
  if (origin?.kind !== 'registry') return undefined;
  const place = origin.uri.replace(/^oci:\/\//, '').replace(/@.*$/, '');
  const name = encodeURIComponent(place.slice(place.lastIndexOf('/') + 1));
  const query = `repository_url=${encodeURIComponent(place)}`;
  return `pkg:oci/${name}@${encodeURIComponent(origin.digest)}?${query}`;
}

/** The page of its commit on a Hub; a path on the build machine is of no use elsewhere. */
function publishedAt(item: LockedModel): { [name: string]: Json } {
  if (item.origin !== undefined) return {};
  const url = addressOf(item);
  return {
    pedigree: { commits: [{ uid: item.commit, url: `${url}/tree/${item.commit}` }] },
    externalReferences: [{ type: 'distribution', url }],
  };
}

function billEntry(item: LockedModel, { family, architecture }: ModelFacts): BillEntry {
  const { name, repository, commit, license, files } = item;
  const ref = `model:${name}`;
  const purl = packageUrl(item);
  const parameters = {
    ...(family === undefined ? {} : { architectureFamily: family }),
    ...(architecture === undefined ? {} : { modelArchitecture: architecture }),
  };
  return {
    ...{ ref, packages: [], complete: true },
    component: {
      type: 'machine-learning-model',
      'bom-ref': ref,
      name: repository,
      version: commit,
      ...(purl === undefined ? {} : { purl }),
      ...licensesOf(license),
      ...publishedAt(item),
      modelCard: Object.keys(parameters).length === 0 ? {} : { modelParameters: parameters },
      components: files.map(({ path, digest }) => ({
        type: 'file',
        'bom-ref': `${ref}/${path}`,
        name: path,
        hashes: [{ alg: 'SHA-256', content: digestHex(digest) }],
      })),
    },
  };
}

function offer(
  { name, repository, commit, license, files }: BundleModel,
  depot: DepotAddress,
): Offer {
  const { host, secure, release, tag } = depot;
  const reference = `${host}/${release}/${name}`;
  return {
    title: `model ${name}`,
    facts: [
      ['source', repository],
      ['commit', commit],
      ['license', license ?? 'not stated'],
      ['size', `${formatBytes(sizeOf(files))} in ${formatAmount(files.length, 'file')}`],
    ],
    commands: [
      `HF_ENDPOINT=${secure ? 'https' : 'http'}://${host} hf download ${repository} --revision ${commit}`,
      `oras pull ${secure ? '' : '--plain-http '}${reference}:${tag}`,
      `podman pull ${secure ? '' : '--tls-verify=false '}${reference}-car:${tag}`,
    ],
    files: files.map(({ path, size }) => ({ path, size })),
  };
}

function sheet(each: ModelForms['reported'] & { readonly tags?: readonly string[] }): Sheet {
  const { name, repository, source, commit, license = 'not known', files, tags = [] } = each;
  return {
    label: 'Model',
    name,
    facts: [
      ['Repository', repository],
      ['Source in the manifest', source],
      ['Commit', { hex: commit }],
      ['License', license],
      ['Tags', tags.length === 0 ? undefined : tags.join(', ')],
    ],
    table: {
      headers: ['File', 'Bytes', 'SHA-256'],
      rows: files.map(({ path, size, digest }) => [path, size, sha256(digest)]),
    },
  };
}
