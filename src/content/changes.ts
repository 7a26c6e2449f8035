import { canonicalJson, type Json } from '../core/canonical-json.ts';

/** A member that differs; a side that lacks it is absent. */
export interface Change {
  /** Names of members from the outside in, between dots. */
  readonly path: string;
  readonly from?: Json;
  readonly to?: Json;
}

/** An item that is on both sides, and its members that differ. */
export interface NamedChange {
  readonly name: string;
  readonly changes: readonly Change[];
}

/** What has a name on one side or both. */
export interface Named<T, C> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  readonly changed: readonly C[];
}

/** Where two values differ: objects member by member, lists and all else as wholes. */
export function changesBetween(from: unknown, to: unknown, path = ''): Change[] {
  if (isRecord(from) && isRecord(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
    return keys.flatMap((key) =>
      changesBetween(own(from, key), own(to, key), path === '' ? key : `${path}.${key}`),
    );
  }
  if (isSame(from, to)) return [];
  return [
    {
      path,
      ...(from === undefined ? {} : { from: from as Json }),
      ...(to === undefined ? {} : { to: to as Json }),
    },
  ];
}

/** Two items of one name; undefined where no member differs. */
export function changesOf(name: string, from: object, to: object): NamedChange | undefined {
  const changes = changesBetween(from, to);
  return changes.length === 0 ? undefined : { name, changes };
}

/** Pairs two lists by a key. @param compare what changed between two of one key; undefined where nothing did */
export function byKey<T, C>(
  from: readonly T[],
  to: readonly T[],
  key: (each: T) => string,
  compare: (from: T, to: T) => C | undefined,
): Named<T, C> {
  const before = new Map(from.map((each) => [key(each), each]));
  const after = new Map(to.map((each) => [key(each), each]));
  return {
    added: [...after].filter(([name]) => !before.has(name)).map(([, each]) => each),
    removed: [...before].filter(([name]) => !after.has(name)).map(([, each]) => each),
    changed: [...after].flatMap(([name, each]) => {
      const old = before.get(name);
      const change = old === undefined ? undefined : compare(old, each);
      return change === undefined ? [] : [change];
    }),
  };
}

/** What only one of two lists has, where nothing of it can change and be the same. */
export function byPresence<T>(
  from: readonly T[],
  to: readonly T[],
  key: (each: T) => string,
): Named<T, never> {
  const compare = (): undefined => undefined;
  return byKey<T, never>(from, to, key, compare);
}

/** Whether both lists are the same. */
export function isNothing(named: Named<unknown, unknown>): boolean {
  return named.added.length + named.removed.length + named.changed.length === 0;
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a as Json) === canonicalJson(b as Json);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(record: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
