import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf, StowageError } from '../../core/error.ts';
import { type Json, textOf } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import { pathCollision, pathDefect } from '../../core/safe-path.ts';
import { quoted } from '../../core/text.ts';
import { readYamlObject } from '../../format/object-stream.ts';
import { readEntries } from '../../io/archive.ts';
import { writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';

/** The metadata in `Chart.yaml` that Stowage uses. */
export interface ChartMetadata {
  readonly name: string;
  readonly version: string;
  readonly appVersion?: string;
  /** The range of Kubernetes versions that it supports, as Helm writes it. */
  readonly kubeVersion?: string;
}

/** An unpacked chart: its files by their paths below the chart's folder. */
export interface ChartFiles {
  readonly metadata: ChartMetadata;
  /** `Chart.yaml` as JSON: the config of a chart in a registry. */
  readonly config: { readonly [member: string]: Json };
  readonly files: ReadonlyMap<string, Buffer>;
}

const unzip = promisify(gunzip);

/** More than any published chart has; Helm's own limit of a file is 5 MiB, and of a chart 100 MiB. */
export const MAX_CHART_BYTES: number = 64 * MIB;
const MAX_UNPACKED_BYTES: number = 100 * MIB;
const MAX_CHART_FILES = 20_000;
const MAX_CHART_DEPTH = 8;

/**
 * Unpacks a chart archive into memory: a gzipped tar with one folder, of regular files with safe names. Subcharts that are
 * archives are unpacked too.
 * @param what for messages, such as `chart gpu-operator`
 * @throws StowageError `content-refused`
 */
export async function readChart(archive: Buffer, what: string, depth = 0): Promise<ChartFiles> {
  const files = new Map<string, Buffer>();
  let total = 0;
  let root: string | undefined;
  const take = (path: string, chunks: readonly Buffer[]): void => {
    const [first = '', ...rest] = path.split('/');
    root ??= first;
    if (first !== root || rest.length === 0)
      throw refusedChart(what, `one folder, ${root}`, `the file ${quoted(path)}`);
    if (files.has(rest.join('/')))
      throw refusedChart(what, 'each file once', `${quoted(path)} twice`);
    files.set(rest.join('/'), Buffer.concat(chunks));
  };
  try {
    await readEntries(unzipped(archive), ({ path, type, size }) => {
      if (type === 'folder') return undefined;
      const name = path.replace(/^\.\//, '');
      const defect = type === 'file' ? pathDefect(name) : 'a link or a device';
      if (defect !== undefined)
        throw refusedChart(what, 'regular files with safe names', `${quoted(path)}: ${defect}`);
      total += size;
      if (files.size >= MAX_CHART_FILES)
        throw refusedChart(what, `at most ${MAX_CHART_FILES} files`, 'more');
      if (total > MAX_UNPACKED_BYTES)
        throw refusedChart(what, `at most ${MAX_UNPACKED_BYTES / MIB} MiB unpacked`, 'more');
      const chunks: Buffer[] = [];
      return { write: (chunk) => chunks.push(chunk), end: () => take(name, chunks) };
    });
  } catch (cause) {
    if (cause instanceof StowageError && cause.code === 'content-refused') throw cause;
    throw refusedChart(what, 'a gzipped tar', messageOf(cause), cause);
  }
  const subcharts = [...files].filter(([path]) => /^charts\/[^/]+\.tgz$/.test(path));
  if (subcharts.length > 0 && depth >= MAX_CHART_DEPTH)
    throw refusedChart(what, `charts at most ${MAX_CHART_DEPTH} levels deep`, 'more');
  for (const [path, bytes] of subcharts) {
    const inner = await readChart(bytes, `${what}, ${path}`, depth + 1);
    files.delete(path);
    // Two versions of one subchart have two folders.
    const folder = path.slice(0, -'.tgz'.length);
    for (const [each, content] of inner.files) files.set(`${folder}/${each}`, content);
  }
  const collision = pathCollision([...files.keys()]);
  if (collision !== undefined)
    throw refusedChart(
      what,
      'distinct names',
      `${collision.join(' and ')}: one file on some systems`,
    );
  return { ...metadataOf(files, what), files };
}

/** Writes the files below a folder. */
export async function writeChart({ files }: ChartFiles, folder: string): Promise<void> {
  for (const [path, bytes] of files) {
    const parent = join(folder, path, '..');
    await makeFolder(parent, 0o700);
    await writeNew(join(folder, path), bytes, 0o600);
  }
}

async function* unzipped(archive: Buffer): AsyncGenerator<Buffer, void, undefined> {
  // Headers and padding take room beside the files.
  yield await unzip(archive, { maxOutputLength: 2 * MAX_UNPACKED_BYTES });
}

function metadataOf(
  files: ReadonlyMap<string, Buffer>,
  what: string,
): Pick<ChartFiles, 'metadata' | 'config'> {
  const bytes = files.get('Chart.yaml');
  if (bytes === undefined) throw refusedChart(what, 'a Chart.yaml', 'none');
  let config: ChartFiles['config'];
  try {
    config = readYamlObject(bytes.toString('utf8'));
  } catch (cause) {
    throw refusedChart(what, 'a Chart.yaml in YAML', messageOf(cause), cause);
  }
  const [name, version] = [textOf(config['name'], 63), textOf(config['version'], 128)];
  const named = name !== undefined && /^[a-z0-9][a-z0-9.-]*$/.test(name);
  if (!named || version === undefined || !/^[0-9A-Za-z][0-9A-Za-z.+-]*$/.test(version))
    throw refusedChart(
      what,
      'a Chart.yaml with name and version',
      `${quoted(String(name))}, ${quoted(String(version))}`,
    );
  const appVersion = textOf(config['appVersion'], 128);
  const kubeVersion = textOf(config['kubeVersion'], 128);
  return {
    config,
    metadata: {
      ...{ name, version },
      ...(appVersion === undefined ? {} : { appVersion }),
      ...(kubeVersion === undefined ? {} : { kubeVersion }),
    },
  };
}

export function refusedChart(
  what: string,
  expected: string,
  found: string,
  cause?: unknown,
): StowageError {
  return new StowageError('content-refused', `${what} is not a chart archive`, {
    ...{ expected, found, cause },
    hint: 'download the chart again with helm pull, or package it with helm package, and compare',
  });
}
