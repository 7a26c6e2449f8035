import { digestHex } from '../core/digest.ts';
import { formatBytes } from '../core/text.ts';
import type { ObjectsSource } from '../format/cluster-content.ts';
import type { BundleObjects, LockedObjects } from '../format/rendered-content.ts';
import type { ReportedObjects } from '../format/report-contents.ts';
import type { ContentKind, Forms } from './content-kind.ts';
import {
  type ComparedRendering,
  describeRendered,
  powerBranches,
  powersShown,
  powersTable,
  type RenderingChange,
  renderedFacts,
  renderingChange,
  renderingChangeBranch,
  renderingOrigins,
} from './rendered.ts';
import { type Sheet, sha256 } from './sheet.ts';

export interface ObjectsSummary
  extends Pick<ComparedRendering, 'name' | 'source' | 'digest' | 'powers'> {}

export interface ObjectsForms extends Forms {
  readonly wanted: ObjectsSource;
  readonly locked: LockedObjects;
  readonly bundled: BundleObjects;
  readonly reported: ReportedObjects;
  readonly compared: ComparedRendering;
  readonly summary: ObjectsSummary;
  readonly change: RenderingChange;
}

/** Plain objects of the Kubernetes API, from YAML files or a kustomization. */
export const objectsKind: ContentKind<ObjectsForms> = {
  section: 'objects',
  copied: false,
  optional: true,

  blobs: ({ objects }) => [objects],
  describe: ({ objects }) => describeRendered(objects),
  bundled: ({ inputs: _, ...item }, manifest) => ({ ...item, manifest }),
  subjects: ({ name, objects }) => [{ name: `objects:${name}`, digest: objects.digest }],
  signedAddress: ({ source }) => source,
  origins: (item) => ({
    own: { uri: item.source, digest: { sha256: digestHex(item.objects.digest) } },
    included: renderingOrigins(item),
  }),
  billEntry: ({ name, objects }) => ({
    ...{ ref: `objects:${name}`, packages: [], complete: true },
    component: {
      type: 'file',
      'bom-ref': `objects:${name}`,
      name: 'objects.json',
      hashes: [{ alg: 'SHA-256', content: digestHex(objects.digest) }],
    },
  }),
  lockLine: ({ name, source, objects }) =>
    `objects ${name}: ${source}, ${formatBytes(objects.size)} rendered`,

  layout: ({ name, objects }) => [
    { path: `objects/${name}/objects.json`, digest: objects.digest, unpack: false },
  ],
  served: ({ name, manifest }, { release, tag }) => [
    { repository: `${release}/${name}`, tags: { [tag]: manifest }, manifests: [manifest] },
  ],
  manifests: ({ name, manifest, objects }) => [
    {
      ...{ what: `the manifest of objects ${name}`, digest: manifest, complete: true },
      layers: [objects.digest],
    },
  ],
  pushedAs: ({ name }) => ({ registry: 'objects', path: name }),
  offer: ({ name, source, objects }, { host, secure, release, tag }) => ({
    title: `objects ${name}`,
    facts: [
      ['source', source],
      ['SHA-256', digestHex(objects.digest)],
    ],
    commands: [`oras pull ${secure ? '' : '--plain-http '}${host}/${release}/${name}:${tag}`],
  }),

  title: ({ name }) => `Objects ${name}`,
  blobName: ({ name, manifest, objects }, digest) => {
    if (objects.digest === digest) return `objects ${name}`;
    return manifest === digest ? `the manifest of objects ${name}` : undefined;
  },
  branch: ({ name, source, objects, powers }, seen) => ({
    text: `${name}  ${formatBytes(objects.size)}  from ${source}`,
    size: objects.size,
    below: powerBranches(powersShown({ objects, powers }, seen)),
  }),
  sheet: (item, seen) => sheet(reportedOf({ ...item, powers: powersShown(item, seen) })),
  shares: (items) => [
    {
      what: 'Objects',
      size: items.reduce((sum, { objects }) => sum + objects.size, 0),
      blobs: items.map(({ objects }) => objects.digest),
    },
  ],
  reported: reportedOf,
  reportSheet: sheet,

  comparedFromLock: comparedOf,
  comparedFromBundle: (item, { objects }) => {
    const rendered = objects?.get(item.objects.digest);
    return { ...comparedOf(item), ...(rendered === undefined ? {} : { rendered }) };
  },
  summary: ({ name, source, digest, powers }) => ({ name, source, digest, powers }),
  change: (from, to) =>
    renderingChange(from, to, ({ source, renderedBy, digest }) => ({ source, renderedBy, digest })),
  summaryLine: ({ name, source }) => `${name}  from ${source}`,
  changeBranch: renderingChangeBranch,
};

function reportedOf({ name, source, objects, renderedBy, powers }: BundleObjects): ReportedObjects {
  return { name, source, ...objects, renderedBy, powers };
}

function comparedOf(item: LockedObjects | BundleObjects): ComparedRendering {
  const { name, source, renderedBy, objects, powers } = item;
  return { name, source, renderedBy, digest: objects.digest, powers };
}

function sheet({ name, source, digest, powers, ...rendered }: ReportedObjects): Sheet {
  return {
    ...{ label: 'Objects', name },
    facts: [['Source', source], ...renderedFacts(rendered), ['SHA-256', sha256(digest)]],
    ...powersTable(powers),
  };
}
