import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';
import { GIB, MIB } from '../../core/limits.ts';
import { cutTo, printable } from '../../core/text.ts';
import { readObjectStream, type StreamedObject } from '../../format/object-stream.ts';
import { MAX_OBJECTS } from '../../format/rendered-objects.ts';
import { type Confinement, runConfined } from '../../io/confined-program.ts';
import { writeNew } from '../../io/file.ts';
import { type ChartFiles, writeChart } from './chart-files.ts';

/** The limits of one rendering: the largest published charts render 5 MiB in two seconds. */
export const RENDER_LIMITS: Pick<Confinement, 'timeoutMs' | 'maxOutputBytes' | 'maxMemoryBytes'> = {
  timeoutMs: 60_000,
  maxOutputBytes: 16 * MIB,
  maxMemoryBytes: GIB,
};

/** What a chart is rendered with. */
export interface ChartInput {
  /** For messages, such as `chart gpu-operator`. */
  readonly what: string;
  /** The name of the Helm release. */
  readonly release: string;
  /** Values from the first to the last, each over those before it. */
  readonly values: readonly Json[];
  readonly kubeVersion: string;
  readonly apiVersions: readonly string[];
}

/** Where programs render. */
export type RenderPlace = Pick<Confinement, 'folder' | 'env' | 'signal'>;

/** One rendering. */
export interface ChartRun {
  /** A folder with the chart in `chart`. */
  readonly confinement: RenderPlace;
  readonly namespace: string;
  /** With the stand-ins of this rendering. */
  readonly values: readonly Json[];
  readonly isUpgrade: boolean;
}

/** The version of the helm in `PATH`, such as `v4.2.3`. @throws StowageError `source-unsupported` for none, or one before 3.14 */
export async function helmVersion(confinement: RenderPlace): Promise<string> {
  const { status, output } = await runConfined('helm', ['version', '--template', '{{.Version}}'], {
    ...confinement,
    ...RENDER_LIMITS,
  });
  const [, version, major = 0, minor = 0] =
    /^(v([0-9]+)\.([0-9]+)\.[0-9A-Za-z.+-]+)\s*$/.exec(output) ?? [];
  const enough = Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 14);
  if (status === 0 && version !== undefined && enough) return version;
  throw new StowageError('source-unsupported', 'this version of helm is not supported', {
    expected: 'helm 3.14 or later',
    found: printable(cutTo(output.trim(), 100)) || 'no version',
    hint: 'install a current version of helm on this machine; sites do not need it',
  });
}

/** Writes what all renderings of a chart share into their folder. */
export async function prepareChart(chart: ChartFiles, folder: string): Promise<void> {
  await writeChart(chart, join(folder, 'chart'));
}

/**
 * Renders a chart with `helm template`: hooks, tests and CRDs too, without a cluster, network or DNS.
 * @throws StowageError `chart-failed` with Helm's own message; as {@link runConfined}
 */
export async function renderChart(input: ChartInput, run: ChartRun): Promise<StreamedObject[]> {
  const { folder } = run.confinement;
  // Relative to the folder: Helm divides the argument at commas, which the path of the folder may have.
  const files = run.values.map(
    (_, index) => `values-${run.namespace}-${run.isUpgrade}-${index}.json`,
  );
  for (const [index, file] of files.entries())
    await writeNew(join(folder, file), Buffer.from(JSON.stringify(run.values[index])), 0o600);
  const args = [
    ...['template', input.release, './chart', '--include-crds', '--namespace', run.namespace],
    ...['--kube-version', input.kubeVersion],
    ...input.apiVersions.flatMap((each) => ['--api-versions', each]),
    ...files.flatMap((file) => ['--values', file]),
    ...(run.isUpgrade ? ['--is-upgrade'] : []),
  ];
  const { status, output, said } = await runConfined('helm', args, {
    ...run.confinement,
    ...RENDER_LIMITS,
  });
  if (status !== 0) throw failed(input.what, reasonIn(said));
  return streamed(input.what, output);
}

/** @throws StowageError `chart-failed` */
export function streamed(what: string, output: string): StreamedObject[] {
  let objects: StreamedObject[];
  try {
    objects = readObjectStream(output);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw failed(what, `text that is not YAML: ${cause.message}`, cause);
  }
  if (objects.length === 0) throw failed(what, 'no object');
  requireCount(what, objects.length);
  return objects;
}

/** @throws StowageError `chart-failed` for more objects than one item may have */
export function requireCount(what: string, count: number): void {
  if (count > MAX_OBJECTS) throw failed(what, `over ${MAX_OBJECTS} objects`);
}

/** The first error that Helm reports, without its log lines. */
function reasonIn(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const first = lines.findIndex((line) => /^Error:/.test(line));
  return lines.slice(Math.max(first, 0)).slice(0, 8).join(' ');
}

function failed(what: string, found: string, cause?: unknown): StowageError {
  return new StowageError('chart-failed', `${what} cannot be rendered`, {
    expected: 'objects of the Kubernetes API',
    found: printable(cutTo(found, 2000)),
    hint: 'correct the values, or try them with helm template',
    cause,
  });
}

/**
 * The chart with `fail` in place of each `lookup`, which asks a cluster and gets nothing from `helm template`: rendering it
 * fails where a template would have asked, and only there.
 */
export function withoutLookup(chart: ChartFiles): ChartFiles {
  const files = new Map(
    [...chart.files].map(([path, bytes]) =>
      /(?:^|\/)templates\//.test(path)
        ? ([path, failing(bytes)] as const)
        : ([path, bytes] as const),
    ),
  );
  return { ...chart, files };
}

/** Within an action: its end, a comment, texts, and the call. One without an end is all that follows it, so that no text is read twice. */
const TOKEN =
  /\}\}|\/\*(?:[\s\S]*?\*\/|[\s\S]*)|"(?:[^"\\\n]|\\.)*"?|`[^`]*`?|(?<![\w.$-])lookup(?![\w-])/g;

function failing(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const parts: string[] = [];
  let at = 0;
  for (let start = text.indexOf('{{'); start >= 0; start = text.indexOf('{{', at)) {
    TOKEN.lastIndex = start + 2;
    let token = TOKEN.exec(text);
    for (; token !== null && token[0] !== '}}'; token = TOKEN.exec(text)) {
      if (token[0] !== 'lookup') continue;
      parts.push(text.slice(at, token.index), 'fail');
      at = TOKEN.lastIndex;
    }
    if (token === null) break;
    parts.push(text.slice(at, TOKEN.lastIndex));
    at = TOKEN.lastIndex;
  }
  return at === 0 && parts.length === 0
    ? bytes
    : Buffer.from(`${parts.join('')}${text.slice(at)}`, 'latin1');
}
