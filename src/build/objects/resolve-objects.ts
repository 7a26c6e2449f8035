import { join, resolve as resolvePath } from 'node:path';
import type { Context } from '../../core/context.ts';
import { digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Finding } from '../../format/finding.ts';
import type { Lock } from '../../format/lock.ts';
import type { Manifest } from '../../format/manifest.ts';
import type { LockedChart, LockedCluster, LockedObjects } from '../../format/rendered-content.ts';
import type { BlobStore } from '../../io/blob-store.ts';
import type { Sources } from '../origins.ts';
import type { Transfer } from '../transfer.ts';
import { type ChartFiles, MAX_CHART_BYTES } from './chart-files.ts';
import { parseChartSource } from './chart-source.ts';
import { type FetchedChart, fetchChart, openChart, requireOneChartPerTag } from './fetch-chart.ts';
import { localChart } from './local-chart.ts';
import { examineObjects } from './object-findings.ts';
import { type RenderedItem, type RenderedRelease, renderRelease } from './render-release.ts';

interface ObjectsOptions extends Context {
  /** The folder of the manifest. */
  readonly folder: string;
  readonly store: BlobStore;
  readonly sources: Sources;
}

/** Charts and objects of a lock, the images that only they need, and what was found in them. */
export interface ResolvedObjects extends LockedCluster {
  readonly images: RenderedRelease['images'];
  readonly findings: readonly Finding[];
}

/**
 * Downloads the charts of a manifest, renders them and its objects, and keeps all in the store.
 * @throws StowageError `source-*`, `chart-failed`, `chart-unsupported`, `content-refused`, `manifest-invalid`, `file-*`
 */
export async function resolveObjects(
  manifest: Manifest,
  options: ObjectsOptions & { readonly transfer: Transfer },
): Promise<ResolvedObjects> {
  const { charts = [], objects = [] } = manifest;
  if (charts.length + objects.length === 0) return { images: [], findings: [] };
  const { folder, store, sources, transfer, emit, signal } = options;
  const fetched = new Map<string, FetchedChart>();
  const work = workFolder(store);
  for (const source of charts) {
    emit({ type: 'step', step: 'resolve chart', subject: source.source });
    fetched.set(source.name, await fetchChart(source, { folder, work, sources, transfer }));
  }
  requireOneChartPerTag(fetched);
  emit({ type: 'step', step: 'render objects', subject: manifest.name });
  const files = new Map([...fetched].map(([name, each]) => [name, each.files]));
  const env = sources.env ?? {};
  const rendered = await renderRelease(manifest, files, { folder, work, env, signal });
  const findings = await examineObjects([...rendered.charts, ...rendered.objects]);
  for (const { document } of [...rendered.charts, ...rendered.objects]) await store.put(document);
  const lockedCharts = rendered.charts.map((item): LockedChart => {
    const { files: _, ...chart } = fetched.get(item.name) ?? never(item.name);
    return { ...lockedOf(item), ...chart };
  });
  return {
    ...(lockedCharts.length === 0 ? {} : { charts: lockedCharts }),
    ...(objects.length === 0 ? {} : { objects: rendered.objects.map(lockedOf) }),
    images: rendered.images,
    findings,
  };
}

/**
 * Renders the objects of a lock again where the store does not have them, from the charts in the store.
 * @throws StowageError `lock-stale` if they are not those of the lock; as {@link resolveObjects}
 */
export async function pullObjects(lock: Lock, options: ObjectsOptions): Promise<void> {
  const { folder, store, sources, signal, emit } = options;
  const { charts = [], objects = [], manifest } = lock;
  const work = workFolder(store);
  for (const item of charts) await pullLocalChart(item, { folder, store, work });
  const missing: boolean[] = [];
  for (const { objects: wanted } of [...charts, ...objects])
    missing.push((await store.size(wanted.digest)) !== wanted.size);
  if (!missing.includes(true)) return;
  emit({ type: 'step', step: 'render objects', subject: manifest.name });
  const files = new Map<string, ChartFiles>();
  for (const { name, archive } of charts)
    files.set(name, await openChart(name, await store.read(archive.digest, MAX_CHART_BYTES)));
  const env = sources.env ?? {};
  const rendered = await renderRelease(manifest, files, { folder, work, env, signal });
  for (const { name, document, renderedBy } of [...rendered.charts, ...rendered.objects]) {
    const wanted = [...charts, ...objects].find((each) => each.name === name);
    const digest = await store.put(document);
    if (wanted === undefined || wanted.objects.digest === digest) continue;
    throw new StowageError('lock-stale', `the objects of ${name} are rendered differently now`, {
      expected: `${wanted.objects.digest}, by ${wanted.renderedBy}`,
      found: `${digest}, by ${renderedBy}`,
      hint:
        wanted.renderedBy === renderedBy
          ? 'run stowage lock again, or restore the files'
          : `install ${wanted.renderedBy}, or run stowage lock again`,
    });
  }
}

async function pullLocalChart(
  item: LockedChart,
  { folder, store, work }: { folder: string; store: BlobStore; work: string },
): Promise<void> {
  const address = parseChartSource(item.source);
  if (address.kind !== 'local') return;
  if ((await store.size(item.archive.digest)) === item.archive.size) return;
  const bytes = await localChart(resolvePath(folder, address.path), `chart ${item.name}`, work);
  const found = await store.put(bytes);
  if (found === item.archive.digest) return;
  throw new StowageError('lock-stale', `chart ${item.name} changed since it was locked`, {
    expected: item.archive.digest,
    found,
    hint: 'run stowage lock again, or restore the files',
  });
}

function lockedOf({ source, document, renderedBy, inputs, powers }: RenderedItem): LockedObjects {
  const { name, readyWhen, adopt, endpoint } = source;
  return {
    ...{ name, source: source.source },
    objects: { digest: digestOf(document), size: document.length },
    ...{ renderedBy, powers },
    ...(inputs.length === 0 ? {} : { inputs }),
    ...(readyWhen === undefined ? {} : { readyWhen }),
    ...(adopt === undefined ? {} : { adopt }),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** Where temporary files are: beside the blobs that are being received, on the same disk. */
function workFolder(store: BlobStore): string {
  return join(store.root, 'incoming');
}

function never(name: string): never {
  throw new Error(`chart ${name} was rendered, but not fetched`);
}
