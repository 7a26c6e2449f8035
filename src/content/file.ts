import { digestHex } from '../core/digest.ts';
import { formatAmount, formatBytes } from '../core/text.ts';
import type { BundleFile } from '../format/bundled-content.ts';
import type { LockedFile } from '../format/locked-content.ts';
import type { FileSource } from '../format/manifest.ts';
import type { ReportContents } from '../format/report-contents.ts';
import { type Described, describeArtifact, TITLE } from './artifact.ts';
import { namedChangeBranch } from './branches.ts';
import { changesOf, type NamedChange } from './changes.ts';
import type { ContentKind, DepotAddress, Forms, Offer } from './content-kind.ts';
import { type Sheet, sha256 } from './sheet.ts';

export type ComparedFile = Omit<BundleFile, 'manifest'>;

export interface FileForms extends Forms {
  readonly wanted: FileSource;
  readonly locked: LockedFile;
  readonly bundled: BundleFile;
  readonly reported: ReportContents['files'][number];
  readonly compared: ComparedFile;
  readonly summary: ComparedFile;
  readonly change: NamedChange;
}

/** A single file, unchanged, or a folder as one tar. */
export const fileKind: ContentKind<FileForms> = {
  section: 'files',
  copied: false,

  blobs: ({ digest, size }) => [{ digest, size }],
  describe: describeFile,
  bundled: ({ name, source, kind, path, digest, size }, manifest) => ({
    ...{ name, source, kind, path, manifest, digest, size },
  }),
  subjects: ({ name, digest }) => [{ name: `files:${name}`, digest }],
  signedAddress: ({ source }) => source,
  origins: ({ source, digest, git }) => ({
    own:
      git === undefined
        ? { uri: source, digest: { sha256: digestHex(digest) } }
        : { uri: `git+${git.url}`, digest: { gitCommit: git.commit } },
    included: (git?.submodules ?? []).map(({ url, commit }) => ({
      uri: `git+${url}`,
      digest: { gitCommit: commit },
    })),
  }),
  billEntry: ({ name, path, digest }) => ({
    ...{ ref: `files:${name}`, packages: [], complete: true },
    component: {
      type: 'file',
      'bom-ref': `files:${name}`,
      name: path,
      hashes: [{ alg: 'SHA-256', content: digestHex(digest) }],
    },
  }),
  offer,
  lockLine: ({ name, path, size }) => `files ${name}: ${path}, ${formatBytes(size)}`,

  layout: ({ name, kind, path, digest }) => [
    kind === 'tree'
      ? { path: `files/${name}`, digest, unpack: true }
      : { path: `files/${name}/${path}`, digest, unpack: false },
  ],
  served: ({ name, manifest }, { release, tag }) => [
    { repository: `${release}/${name}`, tags: { [tag]: manifest }, manifests: [manifest] },
  ],
  manifests: ({ name, manifest, digest }) => [
    {
      ...{ what: `the manifest of files ${name}`, digest: manifest, complete: true },
      layers: [digest],
    },
  ],
  pushedAs: ({ name }) => ({ registry: 'files', path: name }),

  title: ({ name }) => `Files ${name}`,
  blobName: ({ name, manifest, digest: content }, digest) => {
    if (content === digest) return `files ${name}`;
    return manifest === digest ? `the manifest of files ${name}` : undefined;
  },
  branch: ({ name, path, kind, size, source }) => ({
    text: `${name}  ${formatBytes(size)}  ${path}${kind === 'tree' ? '/' : ''}, from ${source}`,
    size,
  }),
  sheet,
  shares: (items) => [
    {
      what: 'Files',
      size: items.reduce((sum, { size }) => sum + size, 0),
      blobs: items.map(({ digest }) => digest),
    },
  ],
  reported: ({ name, source, kind, path, size, digest }) => ({
    ...{ name, source, kind, path, size, digest },
  }),
  reportSheet: sheet,

  comparedFromLock: (item) => item,
  comparedFromBundle: ({ manifest: _, optional: __, blobs: ___, ...compared }) => compared,
  summary: (compared) => compared,
  change: (from, to) => changesOf(to.name, from, to),
  summaryLine: ({ name, path, size }) => `${name}  ${path}, ${formatBytes(size)}`,
  changeBranch: namedChangeBranch,
};

/** The manifest of a file or a tree: an artifact with one layer. */
export function describeFile({ kind, path, digest, size }: LockedFile): Described {
  const tree = kind === 'tree';
  return describeArtifact({
    artifactType: 'application/vnd.stowage.files.v1',
    configType: 'application/vnd.oci.empty.v1+json',
    config: {},
    layers: [
      {
        ...{ digest, size },
        mediaType: tree ? 'application/vnd.oci.image.layer.v1.tar' : 'application/octet-stream',
        annotations: { [TITLE]: tree ? `${path}.tar` : path },
      },
    ],
  });
}

function sheet({ name, source, kind, path, size, digest }: FileForms['reported']): Sheet {
  return {
    label: 'Files',
    name,
    facts: [
      ['Source', source],
      [
        kind === 'tree' ? 'Folder, as one archive' : 'File',
        `${path}, ${formatAmount(size, 'byte')}`,
      ],
      ['SHA-256', sha256(digest)],
    ],
  };
}

function offer({ name, source, kind, path, digest, size }: BundleFile, depot: DepotAddress): Offer {
  const { host, secure, release, tag } = depot;
  return {
    title: `files ${name}`,
    facts: [
      ['source', source],
      ['SHA-256', digestHex(digest)],
      ['size', `${formatBytes(size)}${kind === 'tree' ? ', a folder as one tar' : ''}`],
    ],
    commands: [`oras pull ${secure ? '' : '--plain-http '}${host}/${release}/${name}:${tag}`],
    files: [{ path, size }],
  };
}
