/** The most lines of an answer that are read: vLLM has about 600. */
const MAX_LINES = 50_000;
/** `name{labels} value timestamp` of the Prometheus text format, version 0.0.4. */
const SAMPLE = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?[0-9]+)?$/;
const LABEL = /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** One sample of a metric. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of each metric by its name. */
export type Metrics = ReadonlyMap<string, readonly Sample[]>;

/** Reads metrics in the text format of Prometheus. Lines of any other form and values that are not finite are left out. */
export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, Sample[]>();
  for (const line of text.split('\n', MAX_LINES)) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = '', number] = SAMPLE.exec(line.trimEnd()) ?? [];
    const value = Number(number);
    if (name === undefined || !Number.isFinite(value)) continue;
    const pairs = [...labels.matchAll(LABEL)].map(([, key = '', each = '']) => [key, each]);
    const samples = metrics.get(name) ?? [];
    samples.push({ labels: Object.fromEntries(pairs), value });
    metrics.set(name, samples);
  }
  return metrics;
}

/** The sum of all samples of the first of these metrics that exists; undefined if none does. */
export function sumOf(metrics: Metrics, ...names: readonly string[]): number | undefined {
  for (const name of names) {
    const samples = metrics.get(name);
    if (samples !== undefined) return samples.reduce((sum, { value }) => sum + value, 0);
  }
  return undefined;
}
