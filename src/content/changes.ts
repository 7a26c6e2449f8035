import { canonicalJson, type Json } from '../core/json.ts';

/** A member that differs; `from` or `to` is absent if that side does not have it. */
export interface Change {
  /** Names of members from the outermost to the innermost, separated by dots. */
  readonly path: string;
  readonly from?: Json;
  readonly to?: Json;
}

/** An item that is on both sides, and its members that differ. */
export interface NamedChange {
  readonly name: string;
  readonly changes: readonly Change[];
}

/** How two lists of items differ. */
export interface Named<T, C> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  readonly changed: readonly C[];
}

/** The differences between two values. Objects are compared member by member, all other values as a whole. */
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

/** The differences between two items with the same name; undefined if there are none. */
export function changesOf(name: string, from: object, to: object): NamedChange | undefined {
  const changes = changesBetween(from, to);
  return changes.length === 0 ? undefined : { name, changes };
}

/** Compares two lists whose items have a key. @param compare returns the change between two items with the same key; undefined if there is none */
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

/** Compares two lists of items that never change: each is either added or removed. */
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
