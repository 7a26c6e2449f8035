import { resolve as resolvePath } from 'node:path';
import { digestHex, digestOf } from '../../core/digest.ts';
import { messageOf, StowageError } from '../../core/error.ts';
import { type Fields, listOf, textOf } from '../../core/json.ts';
import { quoted } from '../../core/text.ts';
import type { ChartSource } from '../../format/cluster-content.ts';
import { readYamlObject } from '../../format/object-stream.ts';
import type { LockedChart } from '../../format/rendered-content.ts';
import { describeHttps } from '../../source/https.ts';
import { fetchBlob } from '../fetch.ts';
import type { Sources } from '../origins.ts';
import type { Transfer } from '../transfer.ts';
import { type ChartFiles, MAX_CHART_BYTES, readChart, refusedChart } from './chart-files.ts';
import { findListedChart } from './chart-index.ts';
import { parseChartSource } from './chart-source.ts';
import { localChart } from './local-chart.ts';

/** A chart whose archive is in the store. */
export type FetchedChart = Pick<
  LockedChart,
  'chart' | 'version' | 'appVersion' | 'archive' | 'config' | 'copied' | 'url'
> & { readonly files: ChartFiles };

export interface FetchChartOptions {
  /** The folder of the manifest. */
  readonly folder: string;
  /** For temporary files. */
  readonly work: string;
  readonly sources: Sources;
  readonly transfer: Transfer;
}

type Found = Pick<LockedChart, 'archive' | 'copied' | 'url'>;

/**
 * Downloads a chart into the store, or packs it, and reads it.
 * @throws StowageError `source-*`, `file-*`, `content-refused`, `chart-unsupported`
 */
export async function fetchChart(
  source: ChartSource,
  options: FetchChartOptions,
): Promise<FetchedChart> {
  const { store } = options.transfer;
  const found = await archiveOf(source, options);
  const files = await openChart(
    source.name,
    await store.read(found.archive.digest, MAX_CHART_BYTES),
  );
  requireVersion(source, files);
  requireSubcharts(source.name, files);
  const { name: chart, version, appVersion } = files.metadata;
  return {
    ...{ chart, version, ...found, files },
    ...(appVersion === undefined ? {} : { appVersion }),
    ...(found.copied === undefined ? { config: files.config } : {}),
  };
}

type Tagged = Pick<FetchedChart, 'chart' | 'version' | 'archive' | 'copied'>;

/**
 * Checks that charts of one name and version are the same: they have one tag in a depot. The same chart may be installed several times.
 * @param charts by the names of their items
 * @throws StowageError `manifest-invalid`
 */
export function requireOneChartPerTag(charts: ReadonlyMap<string, Tagged>): void {
  const seen = new Map<string, { readonly name: string; readonly digest: string }>();
  for (const [name, { chart, version, archive, copied }] of charts) {
    const tag = `${chart} ${version}`;
    const { digest } = copied?.manifest ?? archive;
    const before = seen.get(tag);
    if (before !== undefined && before.digest !== digest)
      throw new StowageError('manifest-invalid', `two different charts are ${tag}`, {
        expected: 'one chart of a name and version, as a depot has one tag for it',
        found: `${before.name} is ${before.digest}, and ${name} is ${digest}`,
        hint: 'use the same source for both, or change the version in Chart.yaml of one of them',
      });
    seen.set(tag, { name, digest });
  }
}

/** Reads the archive of a chart. @throws StowageError `content-refused` */
export function openChart(name: string, archive: Buffer): Promise<ChartFiles> {
  return readChart(archive, `chart ${name}`);
}

async function archiveOf(source: ChartSource, options: FetchChartOptions): Promise<Found> {
  const { folder, work, sources, transfer } = options;
  const { store, signal } = transfer;
  const address = parseChartSource(source.source);
  const label = `chart ${source.name}`;
  if (address.kind === 'local') {
    const bytes = await localChart(resolvePath(folder, address.path), label, work);
    return { archive: { digest: await store.put(bytes), size: bytes.length } };
  }
  if (address.kind === 'registry') {
    const { registry } = sources;
    const found = await registry.chart(address.reference, MAX_CHART_BYTES, signal);
    await store.put(found.bytes);
    for (const { digest, size } of found.blobs)
      await fetchBlob(
        transfer,
        { key: digestHex(digest), size, digest, label },
        registry.blob(found.repository, digest),
      );
    const { repository, manifest, blobs, archive } = found;
    return {
      archive: { digest: archive.digest, size: archive.size },
      copied: { repository, manifest, blobs },
    };
  }
  const { url, digest: stated } = await findListedChart(address, sources.http, signal);
  const asked = { what: describeHttps(url), url: new URL(url) };
  const { bytes } = await sources.http.read(asked, MAX_CHART_BYTES, signal);
  const digest = digestOf(bytes);
  if (stated !== undefined && stated !== digest)
    throw new StowageError('source-mismatch', `${label} does not match its repository's index`, {
      expected: stated,
      found: digest,
      hint: 'run stowage lock again; if the problem persists, report it to the operator of the repository',
    });
  return { archive: { digest: await store.put(bytes), size: bytes.length }, url };
}

/** A registry or repository may serve another chart than the one that was asked for. */
function requireVersion({ name, source }: ChartSource, { metadata }: ChartFiles): void {
  const address = parseChartSource(source);
  if (address.kind === 'local') return;
  const asked =
    address.kind === 'repository'
      ? `${address.chart} ${address.version}`
      : `${/([^/:@]+)[:@][^/]*$/.exec(address.reference)?.[1]} ${source.slice(source.lastIndexOf('@') + 1)}`;
  const found = `${metadata.name} ${metadata.version}`;
  const plain = (text: string): string => text.replace(/ v(?=[0-9])/, ' ');
  if (plain(asked) === plain(found) || source.includes('@sha256:')) return;
  throw new StowageError('source-mismatch', `chart ${name} is another chart than its source says`, {
    expected: asked,
    found,
    hint: 'correct the source of the chart, or report the problem to the operator of the repository',
  });
}

/**
 * Every subchart must be in the chart, in the version that its lock names: nothing else is downloaded.
 * @throws StowageError `chart-unsupported`, `content-refused` for a subchart whose metadata cannot be read
 */
export function requireSubcharts(name: string, { files, config }: ChartFiles): void {
  const read = (path: string): readonly Readonly<Record<string, unknown>>[] => {
    const text = files.get(path)?.toString('utf8');
    if (text === undefined) return [];
    try {
      return listOf(readYamlObject(text)['dependencies']);
    } catch {
      return [];
    }
  };
  const locked = [...read('Chart.lock'), ...read('requirements.lock')];
  const asked = [...listOf(config['dependencies']), ...read('requirements.yaml')];
  const there = new Set<string>();
  for (const [path, bytes] of files) {
    if (!/^charts\/[^/]+\/Chart\.yaml$/.test(path)) continue;
    const { name: subchart, version } = subchartIn(bytes, `chart ${name}, ${path}`);
    there.add(String(subchart)).add(`${subchart} ${plainVersion(version)}`);
  }
  const needed = (locked.length > 0 ? locked : asked).map((each) => {
    const subchart = textOf(each['name'], 250) ?? '';
    return locked.length > 0 ? `${subchart} ${plainVersion(each['version'])}` : subchart;
  });
  const missing = needed.filter((each) => !there.has(each));
  if (missing.length === 0) return;
  throw new StowageError('chart-unsupported', `chart ${name} does not contain its subcharts`, {
    expected: `${missing.join(', ')} in charts/`,
    found:
      there.size === 0 ? 'no subcharts' : [...there].filter((each) => / /.test(each)).join(', '),
    hint: `run helm dependency build in a copy of the chart, and give the path of that folder (${quoted(name)})`,
  });
}

function subchartIn(bytes: Buffer, what: string): Fields {
  try {
    return readYamlObject(bytes.toString('utf8'));
  } catch (cause) {
    throw refusedChart(what, 'a Chart.yaml in YAML', messageOf(cause), cause);
  }
}

function plainVersion(version: unknown): string {
  return String(version).replace(/^v/, '');
}
