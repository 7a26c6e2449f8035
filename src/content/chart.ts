import { digestHex } from '../core/digest.ts';
import { formatBytes } from '../core/text.ts';
import type { ChartSource } from '../format/cluster-content.ts';
import type { LockedAttachment } from '../format/locked-content.ts';
import { type BundleChart, chartTypes, type LockedChart } from '../format/rendered-content.ts';
import type { ReportedChart } from '../format/report-contents.ts';
import { type Described, describeArtifact } from './artifact.ts';
import type { ContentKind, DepotAddress, Forms, Offer } from './content-kind.ts';
import {
  type ComparedRendering,
  describeRendered,
  OBJECTS_TYPE,
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

export interface ComparedChart extends ComparedRendering {
  readonly chart: string;
  readonly version: string;
  readonly archive: BundleChart['archive'];
}

export interface ChartSummary
  extends Pick<ComparedChart, 'name' | 'source' | 'chart' | 'version' | 'powers'> {}

export interface ChartForms extends Forms {
  readonly wanted: ChartSource;
  readonly locked: LockedChart;
  readonly bundled: BundleChart;
  readonly reported: ReportedChart;
  readonly compared: ComparedChart;
  readonly summary: ChartSummary;
  readonly change: RenderingChange;
}

/** A Helm chart as its repository served it, and the objects that were rendered from it. */
export const chartKind: ContentKind<ChartForms> = {
  section: 'charts',
  copied: false,
  optional: true,

  blobs: ({ archive, objects, copied }) => [
    ...[archive, objects],
    ...(copied === undefined ? [] : [copied.manifest, ...copied.blobs]).map(({ digest, size }) => ({
      ...{ digest, size },
    })),
  ],
  describe: describeChart,
  bundled: (item, manifest) => {
    const { inputs: _, config: __, copied, url: ___, ...rest } = item;
    const signed = copied?.blobs.find(({ mediaType }) => mediaType === chartTypes.provenance);
    return {
      ...{ ...rest, manifest },
      ...(signed === undefined ? {} : { provenance: { digest: signed.digest, size: signed.size } }),
      attached: describeChart(item).attached ?? [],
    };
  },
  subjects: ({ name, archive, objects }) => [
    { name: `chart:${name}`, digest: archive.digest },
    { name: `objects:${name}`, digest: objects.digest },
  ],
  signedAddress: ({ source }) => source,
  origins: (item) => ({
    own: { uri: item.url ?? item.source, digest: { sha256: digestHex(item.archive.digest) } },
    included: renderingOrigins(item),
  }),
  billEntry: ({ name, chart, version, archive }) => ({
    ...{ ref: `chart:${name}`, packages: [], complete: true },
    component: {
      type: 'application',
      'bom-ref': `chart:${name}`,
      name: chart,
      version,
      purl: `pkg:helm/${chart}@${encodeURIComponent(version)}`,
      hashes: [{ alg: 'SHA-256', content: digestHex(archive.digest) }],
    },
  }),
  lockLine: ({ name, chart, version, archive, objects }) =>
    `chart ${name}: ${chart} ${version}, ${formatBytes(archive.size)}, ${formatBytes(objects.size)} rendered`,

  layout: ({ name, chart, version, archive, objects }) => [
    { path: `charts/${name}/${chart}-${version}.tgz`, digest: archive.digest, unpack: false },
    { path: `charts/${name}/objects.json`, digest: objects.digest, unpack: false },
  ],
  served: ({ chart, version, manifest, attached }, { release }) => [
    {
      repository: `${release}/charts/${chart}`,
      tags: { [tagOf(version)]: manifest },
      manifests: [manifest],
      attached,
    },
  ],
  manifests: ({ name, manifest, archive, provenance, objects, attached }) => [
    {
      ...{ what: `the manifest of chart ${name}`, digest: manifest, complete: true },
      layers: [archive.digest, ...(provenance === undefined ? [] : [provenance.digest])],
    },
    ...attached.map(({ digest }) => ({
      ...{ what: `the manifest of the objects of chart ${name}`, digest, complete: true },
      layers: [objects.digest],
    })),
  ],
  pushedAs: ({ chart }) => ({ registry: 'charts', path: chart, name: `charts/${chart}` }),
  offer,

  title: ({ name }) => `Chart ${name}`,
  blobName: ({ name, manifest, archive, objects }, digest) => {
    if (archive.digest === digest) return `chart ${name}`;
    if (objects.digest === digest) return `the objects of chart ${name}`;
    return manifest === digest ? `the manifest of chart ${name}` : undefined;
  },
  branch: ({ name, chart, version, source, archive, objects, powers, renderedBy }, seen) => ({
    text: `${name}  ${formatBytes(archive.size + objects.size)}  ${chart} ${version}, from ${source}`,
    size: archive.size + objects.size,
    below: [
      { text: `${formatBytes(objects.size)} of objects, rendered by ${renderedBy}` },
      ...powerBranches(powersShown({ objects, powers }, seen)),
    ],
  }),
  sheet: (item, seen) => sheet(reportedOf({ ...item, powers: powersShown(item, seen) })),
  shares: (items) => [
    {
      what: 'Charts and their objects',
      size: items.reduce((sum, { archive, objects }) => sum + archive.size + objects.size, 0),
      blobs: items.flatMap(({ archive, objects }) => [archive.digest, objects.digest]),
    },
  ],
  reported: reportedOf,
  reportSheet: sheet,

  comparedFromLock: comparedOf,
  comparedFromBundle: (item, { objects }) => {
    const rendered = objects?.get(item.objects.digest);
    return { ...comparedOf(item), ...(rendered === undefined ? {} : { rendered }) };
  },
  summary: ({ name, source, chart, version, powers }) => ({
    ...{ name, source, chart, version, powers },
  }),
  change: (from, to) =>
    renderingChange(from, to, ({ source, renderedBy, digest, chart, version, archive }) => ({
      ...{ source, renderedBy, digest, chart, version, archive },
    })),
  summaryLine: ({ name, chart, version, source }) => `${name}  ${chart} ${version}, from ${source}`,
  changeBranch: renderingChangeBranch,
};

/** Tags cannot have a `+`: Helm writes `_`. */
function tagOf(version: string): string {
  return version.replaceAll('+', '_');
}

/** The chart's manifest and, as a referrer of it, that of its objects. */
function describeChart({ archive, objects, config = {}, copied }: LockedChart): Described {
  const own =
    copied === undefined
      ? describeArtifact({
          artifactType: chartTypes.config,
          configType: chartTypes.config,
          config,
          layers: [{ ...archive, mediaType: chartTypes.content }],
        })
      : { manifest: copied.manifest, documents: new Map() };
  const rendered = describeRendered(objects, own.manifest);
  const referrer: LockedAttachment = {
    ...rendered.manifest,
    kind: 'referrer',
    subject: own.manifest.digest,
    artifactType: OBJECTS_TYPE,
  };
  return {
    manifest: own.manifest,
    documents: new Map([...own.documents, ...rendered.documents]),
    attached: [referrer],
  };
}

function reportedOf(item: BundleChart): ReportedChart {
  const { name, source, chart, version, archive, objects, renderedBy, powers } = item;
  return { name, source, chart, version, archive, ...objects, renderedBy, powers };
}

function comparedOf(item: LockedChart | BundleChart): ComparedChart {
  const { name, source, chart, version, archive, renderedBy, objects, powers } = item;
  return { name, source, chart, version, archive, renderedBy, digest: objects.digest, powers };
}

function sheet(item: ReportedChart): Sheet {
  const { name, source, chart, version, archive, digest, powers } = item;
  return {
    ...{ label: 'Chart', name },
    facts: [
      ['Source', source],
      ['Chart', `${chart} ${version}`],
      ['Archive, SHA-256', sha256(archive.digest)],
      ...renderedFacts(item),
      ['Objects, SHA-256', sha256(digest)],
    ],
    ...powersTable(powers),
  };
}

function offer(item: BundleChart, { host, secure, release }: DepotAddress): Offer {
  const { name, source, chart, version, archive } = item;
  const reference = `oci://${host}/${release}/charts/${chart}`;
  const plain = secure ? '' : ' --plain-http';
  return {
    title: `chart ${name}`,
    facts: [
      ['source', source],
      ['chart', `${chart} ${version}`],
      ['SHA-256', digestHex(archive.digest)],
    ],
    commands: [
      `helm pull${plain} ${reference} --version ${version}`,
      `helm install${plain} ${name} ${reference} --version ${version}`,
    ],
  };
}
