import { describeArtifact } from '../../src/content/artifact.ts';
import { namedChangeBranch } from '../../src/content/branches.ts';
import { changesOf, type NamedChange } from '../../src/content/changes.ts';
import type { ContentKind, Forms, WantedItem } from '../../src/content/content-kind.ts';
import { type Sheet, sha256 } from '../../src/content/sheet.ts';
import { type Digest, digestHex } from '../../src/core/digest.ts';

export interface Note {
  readonly name: string;
  readonly size: number;
  readonly digest: Digest;
}

interface PackedNote extends Note {
  readonly manifest: Digest;
}

interface NoteForms extends Forms {
  readonly wanted: WantedItem;
  readonly locked: Note;
  readonly bundled: PackedNote;
  readonly reported: Note;
  readonly compared: Note;
  readonly summary: Note;
  readonly change: NamedChange;
}

/** A kind that exists only in tests: a text with one blob. */
export const noteKind: ContentKind<NoteForms> = {
  section: 'notes',
  copied: false,
  blobs: ({ digest, size }) => [{ digest, size }],
  describe: ({ digest, size }) =>
    describeArtifact({
      ...{ artifactType: 'text/note', configType: 'application/json', config: {} },
      layers: [{ digest, size, mediaType: 'text/plain' }],
    }),
  bundled: ({ name, size, digest }, manifest) => ({ name, size, digest, manifest }),
  subjects: ({ name, digest }) => [{ name: `note:${name}`, digest }],
  signedAddress: ({ name }) => `note:${name}`,
  origins: ({ name }) => ({ own: { uri: `note:${name}` }, included: [] }),
  billEntry: ({ name, digest }) => ({
    ...{ ref: `note:${name}`, packages: [], complete: true },
    component: {
      ...{ type: 'file', 'bom-ref': `note:${name}`, name },
      hashes: [{ alg: 'SHA-256', content: digestHex(digest) }],
    },
  }),
  lockLine: ({ name, size }) => `note ${name}: ${size} bytes`,
  layout: ({ name, digest }) => [{ path: `notes/${name}.txt`, digest, unpack: false }],
  served: ({ name, manifest }, { release, tag }) => [
    { repository: `${release}/${name}`, tags: { [tag]: manifest }, manifests: [manifest] },
  ],
  manifests: ({ name, manifest, digest }) => [
    { what: `the manifest of note ${name}`, digest: manifest, layers: [digest], complete: true },
  ],
  pushedAs: ({ name }) => ({ registry: 'notes', path: name }),
  offer: ({ name }, { host, release, tag }) => ({
    title: `note ${name}`,
    facts: [],
    commands: [`oras pull ${host}/${release}/${name}:${tag}`],
  }),
  title: ({ name }) => `Note ${name}`,
  blobName: ({ name, digest }, blob) => (digest === blob ? `note ${name}` : undefined),
  branch: ({ name, size }) => ({ text: `${name}, a note of ${size} bytes`, size }),
  sheet,
  shares: (items) =>
    items.map(({ name, size, digest }) => ({ what: `Note ${name}`, size, blobs: [digest] })),
  reported: ({ name, size, digest }) => ({ name, size, digest }),
  reportSheet: sheet,
  comparedFromLock: (item) => item,
  comparedFromBundle: ({ name, size, digest }) => ({ name, size, digest }),
  summary: (compared) => compared,
  change: (from, to) => changesOf(to.name, from, to),
  summaryLine: ({ name }) => `${name}, a note`,
  changeBranch: namedChangeBranch,
};

function sheet({ name, size, digest }: Note): Sheet {
  return {
    ...{ label: 'Note', name },
    facts: [
      ['Bytes', size],
      ['SHA-256', sha256(digest)],
    ],
  };
}
