import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { canonicalJson, fieldsOf, type Json, textOf } from '../../core/json.ts';
import { printable } from '../../core/text.ts';
import type { ObjectName } from '../../format/cluster-content.ts';
import type { Parameter } from '../../format/deployment.ts';
import type { StreamedObject } from '../../format/object-stream.ts';
import {
  type Filled,
  type ObjectPath,
  type RenderedObject,
  rewrite,
} from '../../format/rendered-objects.ts';
import { makeFolder } from '../../io/folder.ts';
import type { ChartFiles } from './chart-files.ts';
import {
  type ChartInput,
  helmVersion,
  prepareChart,
  renderChart,
  withoutLookup,
} from './render-chart.ts';
import { hookOf, mergeRounds, parametersIn, type StandIns, standIns } from './stand-ins.ts';

export interface RenderContext {
  /** Where the temporary folders are. */
  readonly folder: string;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** Objects that are left out. */
  readonly without: readonly ObjectName[];
}

export interface RenderedChart {
  readonly objects: readonly RenderedObject[];
  /** The version of Helm, such as `v4.2.3`. */
  readonly helm: string;
}

/**
 * Renders a chart for every site: values of the site become placeholders in the objects. Helm runs four times: twice with
 * other stand-ins for the values of the site, which finds templates that compute with them and templates that render
 * something else each time; once as an upgrade; and once with every call of `lookup` made to fail.
 * @throws StowageError `chart-failed`, `chart-unsupported`; as {@link renderChart}
 */
export async function renderForSites(
  chart: ChartFiles,
  input: ChartInput,
  context: RenderContext,
): Promise<RenderedChart> {
  const { env, signal } = context;
  const parameters = parametersOf(input, context.parameters);
  const rounds = [standIns(parameters, 0), standIns(parameters, 1)] as const;
  const run = async (files: ChartFiles, stand: StandIns, isUpgrade: boolean): Promise<Rendered> =>
    inFolder(context.folder, async (folder) => {
      await prepareChart(files, folder);
      const { namespace, fill } = stand;
      const all = await renderChart(input, {
        confinement: { folder, env, signal },
        ...{ namespace, isUpgrade, values: input.values.map(fill) },
      });
      return all.filter(
        ({ object }) =>
          !context.without.some((each) => isNamed(object, each, (text) => stand.restore(text))),
      );
    });
  const helm = await inFolder(context.folder, (folder) => helmVersion({ folder, env, signal }));
  const first = await run(chart, rounds[0], false);
  const second = await run(chart, rounds[1], false);
  const upgraded = await run(chart, rounds[0], true);
  // Random values differ there too, and are no question about upgrades.
  if (!isSame(first, upgraded))
    requireSteady(input.what, [first, await run(chart, rounds[0], false)], rounds[0]);
  requireSame(input.what, first, upgraded, {
    found: 'asks whether it is an upgrade (Release.IsUpgrade)',
    hint: 'set a value that makes the chart render the same for an installation and an upgrade, or leave the object out with without:',
  });
  await requireNoLookup(input.what, () => run(withoutLookup(chart), rounds[0], false));
  requireSame(input.what, first, second, {
    found: 'renders other objects when a value of the site changes',
    hint: 'give the chart a fixed value instead of the parameter',
    byName: ({ object }) =>
      named(object, rounds[first.some((each) => each.object === object) ? 0 : 1].restore),
  });
  const objects = first.map(({ object, source }, index): RenderedObject => {
    const { value, filled, differences, literals } = mergeRounds(
      [object, second[index]?.object ?? null],
      rounds,
    );
    const [difference] = differences;
    if (difference !== undefined)
      throw computed(input.what, named(object, rounds[0].restore), difference, source);
    const [literal] = literals;
    if (literal !== undefined)
      throw ambiguous(input.what, named(object, rounds[0].restore), literal, source);
    const hook = hookOf(object, input.what, source);
    return {
      object: value as RenderedObject['object'],
      from: source === '' ? 'unknown' : source.replace(/^[^/]+\//, ''),
      filled,
      ...(hook === undefined ? {} : { hook }),
    };
  });
  const given = Object.fromEntries(
    Object.entries(parameters).flatMap(([name, each]) =>
      each.default === undefined ? [] : [[name, each.default]],
    ),
  );
  if (Object.keys(given).length > 0) {
    const stand = standIns(parameters, 0, given);
    requireCopied(input.what, objects, await run(chart, stand, false), stand);
  }
  return { objects, helm };
}

type Rendered = readonly StreamedObject[];

/** The parameters in the values of a chart. @throws StowageError `chart-unsupported` for one that is true or false */
function parametersOf(
  { what, values }: ChartInput,
  all: RenderContext['parameters'],
): RenderContext['parameters'] {
  const used = new Set(values.flatMap(parametersIn));
  const unknown = [...used].find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined)
    throw new StowageError('manifest-invalid', `unknown parameter ${unknown} in ${what}`, {
      expected: 'a name under parameters in the manifest',
      found: `\${parameters.${unknown}} in its values`,
      hint: 'correct the name, or add the parameter',
    });
  const switches = [...used].filter((name) => all[name]?.type === 'boolean');
  if (switches.length > 0)
    throw new StowageError('chart-unsupported', `${what} cannot be rendered once for every site`, {
      expected: 'texts and numbers, which templates copy',
      found: `${switches.join(', ')}: a parameter that is true or false decides what is rendered`,
      hint: 'give the chart true or false itself; for sites that differ, make two releases',
    });
  return Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name)));
}

/** @throws StowageError `chart-unsupported` when the chart asks the cluster for objects */
async function requireNoLookup(what: string, rendering: () => Promise<unknown>): Promise<void> {
  try {
    await rendering();
  } catch (cause) {
    if (!(cause instanceof StowageError) || cause.code !== 'chart-failed') throw cause;
    throw new StowageError('chart-unsupported', `${what} queries the cluster (lookup)`, {
      expected: 'templates that need only the values',
      found: cause.found ?? '',
      hint: 'set the value that the template would look up, or turn that part of the chart off',
      cause,
    });
  }
}

/** The default of a parameter must give the objects that a site gets by writing it in their place. */
function requireCopied(
  what: string,
  objects: readonly RenderedObject[],
  found: Rendered,
  stand: StandIns,
): void {
  const expected = objects.map(({ object, filled }) =>
    canonicalJson(withoutChecksums(stand.fillPlaced(object), filled)),
  );
  const index = objects.findIndex(({ filled }, at) => {
    const other = found[at]?.object;
    return other === undefined || expected[at] !== canonicalJson(withoutChecksums(other, filled));
  });
  if (index < 0 && found.length === objects.length) return;
  const { object, source } = found[index < 0 ? objects.length : index] ?? found[0] ?? never();
  throw new StowageError('chart-unsupported', `${what} cannot be rendered once for every site`, {
    expected: 'values of the site that the templates copy',
    found: `${named(object, stand.restore)} in ${source} differs when a parameter has its default value: a template computes with it`,
    hint: 'give the chart a fixed value in place of the parameter',
  });
}

function withoutChecksums(object: Json, filled: readonly Filled[]): Json {
  const checksums = new Set(
    filled.filter(({ as }) => as === 'checksum').map(({ path }) => JSON.stringify(path)),
  );
  if (checksums.size === 0) return object;
  return rewrite(object, (value, path) => (checksums.has(JSON.stringify(path)) ? null : value));
}

/** Whether an object has this kind and name. */
export function isNamed(
  object: { readonly [member: string]: Json },
  { kind, name }: ObjectName,
  restore: (text: string) => string = (text) => text,
): boolean {
  const found = textOf(fieldsOf(object['metadata'])['name'], 253) ?? '';
  return object['kind'] === kind && restore(found) === name;
}

/** Kind and name of an object, for messages. */
export function named(
  object: { readonly [member: string]: Json },
  restore: (text: string) => string = (text) => text,
): string {
  const name = textOf(fieldsOf(object['metadata'])['name'], 253) ?? 'without a name';
  return printable(restore(`${String(object['kind'])} ${name}`));
}

interface Sameness {
  readonly found: string;
  readonly hint: string;
  /** Compares the objects by these names alone. */
  readonly byName?: (each: StreamedObject) => string;
}

function requireSame(
  what: string,
  first: readonly StreamedObject[],
  second: readonly StreamedObject[],
  { found, hint, byName }: Sameness,
): void {
  const key = byName ?? ((each: StreamedObject): string => canonicalJson(each.object));
  const [a, b] = [first.map(key), second.map(key)];
  const index = a.findIndex((each, at) => each !== b[at]);
  if (index < 0 && a.length === b.length) return;
  const { object, source } = (index < 0 ? second[a.length] : first[index]) ?? never();
  throw new StowageError('chart-unsupported', `${what} cannot be rendered once for every site`, {
    expected: 'the same objects each time',
    found: `${named(object)} in ${source} ${found}`,
    hint,
  });
}

function isSame(a: Rendered, b: Rendered): boolean {
  const text = (list: Rendered): string => canonicalJson(list.map(({ object }) => object));
  return text(a) === text(b);
}

/** @throws StowageError `chart-unsupported` for what differs between two renderings with the same values */
function requireSteady(
  what: string,
  [first, again]: readonly [Rendered, Rendered],
  stand: StandIns,
): void {
  for (const [index, { object, source }] of first.entries()) {
    const other = again[index]?.object ?? null;
    const [difference] = mergeRounds([object, other], [stand, stand]).differences;
    if (difference !== undefined)
      throw computed(what, named(object, stand.restore), difference, source);
  }
}

function computed(what: string, object: string, path: ObjectPath, source: string): StowageError {
  return new StowageError('chart-unsupported', `${what} cannot be rendered once for every site`, {
    expected: 'values of the site that the templates copy',
    found: `${object} in ${source}: ${path.join('.')} is computed, random, or depends on the time`,
    hint: 'set the value that the template generates, such as a password or a certificate; give a fixed value in place of a parameter that it computes with',
  });
}

function ambiguous(what: string, object: string, path: ObjectPath, source: string): StowageError {
  return new StowageError('chart-unsupported', `${what} has a placeholder of its own`, {
    expected: 'texts without ${...} beside a value of the site',
    found: `${object} in ${source}: ${path.join('.')} has a placeholder that the chart itself contains`,
    hint: 'it would be filled like those of the manifest: change the value or template that contains it, or leave the object out with without:',
  });
}

async function inFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(parent, `render-${randomUUID()}`);
  await makeFolder(folder, 0o700);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function never(): never {
  throw new Error('two lists of other lengths with no difference');
}
