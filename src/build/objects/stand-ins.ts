import { createHash } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, type Json, textOf } from '../../core/json.ts';
import type { Parameter } from '../../format/deployment.ts';
import {
  type Filled,
  type Hook,
  hookEvents,
  type ObjectPath,
  rewrite,
} from '../../format/rendered-objects.ts';

/** The site's values are not known when objects are rendered. Each has another stand-in in each of two renderings. */
export type Round = 0 | 1;

export interface StandIns {
  readonly namespace: string;
  /** Replaces each `${parameters.NAME}`; a text that is one integer parameter becomes a number. */
  fill(values: Json): Json;
  /** {@link fill}, for objects with placeholders: the namespace too. */
  fillPlaced(object: Json): Json;
  /** The placeholders in place of the stand-ins. */
  restore(text: string): string;
  /** The parameter of which this number is the stand-in. */
  parameterOf(value: number): string | undefined;
}

export const NAMESPACE = '${release.namespace}';
const PARAMETER = /\$\{parameters\.([a-z][A-Za-z0-9]*)\}/g;
/** Below 65536, as many are ports, and far apart, so that templates that count with them render something else. */
const FIRST_NUMBER = [41_207, 2_609] as const;
const STEP = 17;

/** The values of some parameters, in place of their stand-ins. */
export type Given = Readonly<Record<string, string | number | boolean>>;

/**
 * The stand-ins of one rendering. Those of texts have a different length in each round, so that a template that cuts or
 * hashes them renders something else.
 */
export function standIns(
  parameters: Readonly<Record<string, Parameter>>,
  round: Round,
  given: Given = {},
): StandIns {
  const names = Object.keys(parameters).toSorted();
  const namespace = text('namespace', round);
  const texts = new Map(
    names.map((name) => [name, String(own(given, name) ?? text(`parameter ${name}`, round))]),
  );
  const numbers = new Map(
    names
      .filter((name) => parameters[name]?.type === 'integer')
      .map((name, index) => [name, Number(own(given, name) ?? FIRST_NUMBER[round] + index * STEP)]),
  );
  const of = (name: string): string => String(numbers.get(name) ?? texts.get(name) ?? '');
  const filled = (found: string): string | number => {
    const [, whole] = /^\$\{parameters\.([a-z][A-Za-z0-9]*)\}$/.exec(found) ?? [];
    const number = whole === undefined ? undefined : numbers.get(whole);
    return number ?? found.replace(PARAMETER, (_, name: string) => of(name));
  };
  const inTexts = (value: Json, change: (found: string) => string | number): Json =>
    rewrite(value, (each) => (typeof each === 'string' ? change(each) : each));
  return {
    namespace,
    fill: (values) => inTexts(values, filled),
    fillPlaced: (object) =>
      inTexts(object, (found) => filled(found.replaceAll(NAMESPACE, namespace))),
    restore: (found) => {
      let restored = found.replaceAll(namespace, NAMESPACE);
      for (const name of names)
        if (own(given, name) === undefined)
          restored = restored.replaceAll(of(name), `\${parameters.${name}}`);
      return restored;
    },
    parameterOf: (value) => [...numbers].find(([, number]) => number === value)?.[0],
  };
}

function own(given: Given, name: string): string | number | boolean | undefined {
  return Object.hasOwn(given, name) ? given[name] : undefined;
}

/** The parameters in the texts of a value. */
export function parametersIn(value: Json | undefined): string[] {
  return [...JSON.stringify(value ?? null).matchAll(PARAMETER)].map(([, name = '']) => name);
}

/** Whether a text has what looks like a placeholder of Stowage. */
export function hasPlaceholder(value: string): boolean {
  return /\$\{(?:parameters|images|models|release)\./.test(value);
}

function text(what: string, round: Round): string {
  const hex = createHash('sha256').update(`${round} ${what}`).digest('hex');
  return `s${hex.slice(0, round === 0 ? 19 : 23)}`;
}

/** A value that was rendered twice, with placeholders where the stand-ins were. */
export interface Merged {
  readonly value: Json;
  readonly filled: readonly Filled[];
  /** Where the two renderings differ by more than the stand-ins. */
  readonly differences: readonly ObjectPath[];
  /** Texts to be filled that have a placeholder of their own, which would be filled too. */
  readonly literals: readonly ObjectPath[];
}

/** Restores the placeholders in a value that was rendered in both rounds. */
export function mergeRounds(
  values: readonly [Json, Json],
  rounds: readonly [StandIns, StandIns],
): Merged {
  const filled: Filled[] = [];
  const differences: ObjectPath[] = [];
  const literals: ObjectPath[] = [];
  const merge = (a: Json | undefined, b: Json | undefined, path: ObjectPath): Json => {
    if (Array.isArray(a) && Array.isArray(b) && a.length === b.length)
      return a.map((each: Json, index) => merge(each, b[index], [...path, index]));
    if (isObject(a) && isObject(b)) {
      const names = Object.keys(a);
      const same = names.length === Object.keys(b).length && names.every((name) => name in b);
      if (same)
        return Object.fromEntries(
          names.map((name) => [name, merge(a[name], b[name], [...path, name])]),
        );
    }
    if (a === b) return a ?? null;
    if (typeof a === 'string' && typeof b === 'string') {
      const restored = rounds[0].restore(a);
      if (restored === rounds[1].restore(b)) {
        if (hasPlaceholder(a)) literals.push(path);
        filled.push({ path, as: 'text' });
        return restored;
      }
    }
    // Charts put a hash of a ConfigMap into a pod template, so that pods restart when it changes.
    if (isChecksum(a, path) && isChecksum(b, path)) {
      filled.push({ path, as: 'checksum' });
      return a;
    }
    if (typeof a === 'number' && typeof b === 'number') {
      const name = rounds[0].parameterOf(a);
      if (name !== undefined && name === rounds[1].parameterOf(b)) {
        filled.push({ path, as: 'number' });
        return `\${parameters.${name}}`;
      }
    }
    differences.push(path);
    return a ?? null;
  };
  return { value: merge(values[0], values[1], []), filled, differences, literals };
}

function isChecksum(value: Json | undefined, path: ObjectPath): value is string {
  const annotation = path.at(-2) === 'annotations' && String(path.at(-1)).startsWith('checksum/');
  return annotation && typeof value === 'string' && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(value);
}

function isObject(value: Json | undefined): value is { readonly [member: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The annotations of Helm that say what an object is; Stowage says it in the document, so they are removed. */
const HOOK = 'helm.sh/hook';
const WEIGHT = 'helm.sh/hook-weight';

const isEvent = (text: string): text is Hook['events'][number] =>
  (hookEvents as readonly string[]).includes(text);

/**
 * What the annotations of a chart's object say about when it runs; undefined for an object that is no hook.
 * @throws StowageError `chart-unsupported` for an event that Stowage does not have
 */
export function hookOf(
  object: { readonly [member: string]: Json },
  what: string,
  from: string,
): Hook | undefined {
  const { annotations } = fieldsOf(object['metadata']);
  const written = textOf(fieldsOf(annotations)[HOOK], 1024);
  if (written === undefined) return undefined;
  const events = written
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    // The old name of tests that must succeed.
    .map((each) => (each === 'test-success' ? 'test' : each));
  const known = events.filter(isEvent);
  // A rollback applies the objects of the kept generation again, so it has nothing to run beside them.
  const others = events.filter((each) => !isEvent(each));
  if (others.length > 0)
    throw new StowageError('chart-unsupported', `${what} has a hook that a site cannot run`, {
      expected: hookEvents.join(', '),
      found: `${others.join(', ')} in ${from}`,
      hint: 'turn the hook off by a value of the chart, or leave the object out with without:',
    });
  const weight = Number(textOf(fieldsOf(annotations)[WEIGHT], 16) ?? 0);
  return { events: [...new Set(known)], weight: Number.isSafeInteger(weight) ? weight : 0 };
}
