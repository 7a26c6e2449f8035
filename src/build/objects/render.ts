import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import type { Environment } from '../../core/environment.ts';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, textOf } from '../../core/fields.ts';
import { printable } from '../../core/printable.ts';
import type { Parameter } from '../../format/deployment.ts';
import type { StreamedObject } from '../../format/object-stream.ts';
import type { ObjectPath, RenderedObject } from '../../format/rendered-objects.ts';
import { makeFolder } from '../../io/folder.ts';
import type { ChartFiles } from './chart-files.ts';
import { hookOf } from './hooks.ts';
import { withoutLookup } from './lookup.ts';
import { type ChartInput, helmVersion, prepareChart, renderChart } from './render-chart.ts';
import { mergeRounds, standIns } from './stand-ins.ts';

export interface RenderContext {
  /** Where the temporary folders are. */
  readonly folder: string;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly parameters: Readonly<Record<string, Parameter>>;
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
  const { parameters, env, signal } = context;
  const rounds = [standIns(parameters, 0), standIns(parameters, 1)] as const;
  const run = async (
    files: ChartFiles,
    round: 0 | 1,
    isUpgrade: boolean,
  ): Promise<StreamedObject[]> =>
    inFolder(context.folder, async (folder) => {
      await prepareChart(files, folder);
      const { namespace, fill } = rounds[round];
      return renderChart(input, {
        confinement: { folder, env, signal },
        ...{ namespace, isUpgrade, values: input.values.map(fill) },
      });
    });
  const helm = await inFolder(context.folder, (folder) => helmVersion({ folder, env, signal }));
  const first = await run(chart, 0, false);
  const second = await run(chart, 1, false);
  requireSame(input.what, first, await run(chart, 0, true), {
    found: 'asks whether it is an upgrade (Release.IsUpgrade)',
    hint: 'set a value that makes the chart render the same for an installation and an upgrade, or leave the object out with without:',
  });
  await run(withoutLookup(chart), 0, false);
  requireSame(input.what, first, second, {
    found: 'renders other objects when a value of the site is another',
    hint: 'give the chart a fixed value instead of the parameter',
    byName: ({ object }) =>
      named(object, rounds[first.some((each) => each.object === object) ? 0 : 1].restore),
  });
  const objects = first.map(({ object, source }, index): RenderedObject => {
    const { value, filled, differences } = mergeRounds(
      [object, second[index]?.object ?? null],
      rounds,
    );
    const [difference] = differences;
    if (difference !== undefined)
      throw computed(input.what, named(object, rounds[0].restore), difference, source);
    const hook = hookOf(object, input.what, source);
    return {
      object: value as RenderedObject['object'],
      from: source === '' ? 'unknown' : source.replace(/^[^/]+\//, ''),
      filled,
      ...(hook === undefined ? {} : { hook }),
    };
  });
  return { objects, helm };
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

function computed(what: string, object: string, path: ObjectPath, source: string): StowageError {
  return new StowageError('chart-unsupported', `${what} cannot be rendered once for every site`, {
    expected: 'values of the site that the templates copy',
    found: `${object} in ${source}: ${path.join('.')} is computed, random, or depends on the time`,
    hint: 'set the value that the template generates, such as a password or a certificate; give a fixed value in place of a parameter that it computes with',
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
