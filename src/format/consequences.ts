/**
 * A path of another value that a check reads: from the document's root, or from the reported value if it begins with `.`
 * (that value) or `..` (the one around it). `*` stands for every entry of a list or mapping.
 */
export type Cause = readonly (string | number)[];

/** What of a defect tells whether it follows from another. */
interface Derived {
  readonly path: readonly PropertyKey[];
  readonly atKey?: boolean;
  readonly meant?: string;
  readonly causes?: readonly Cause[];
}

/**
 * Members of an issue that is no defect of its own while one of the values that it was derived from is wrong: a reference
 * to a model whose definition is misspelled is not wrong as well.
 */
export function follows(...causes: readonly Cause[]): {
  readonly params: { readonly follows: readonly Cause[] };
} {
  return { params: { follows: causes } };
}

/** The causes in an issue's params. */
export function causesIn(params: unknown): readonly Cause[] {
  if (typeof params !== 'object' || params === null || !('follows' in params)) return [];
  return params.follows as readonly Cause[];
}

/** The defects without those that follow from others, and one for each value. */
export function withoutConsequences<T extends Derived>(defects: readonly T[]): T[] {
  const kept = new Set<T>();
  const places = new Set<string>();
  const own = defects.filter(({ causes = [] }) => causes.length === 0);
  const derived = defects.filter(({ causes = [] }) => causes.length > 0);
  for (const each of [...own, ...derived]) {
    const place = JSON.stringify([each.path.map(String), each.atKey === true]);
    if (places.has(place) || isExplained(each, kept)) continue;
    places.add(place);
    kept.add(each);
  }
  return defects.filter((each) => kept.has(each));
}

function isExplained({ path, causes = [] }: Derived, others: Iterable<Derived>): boolean {
  // A defect of its own is not compared: there may be very many.
  if (causes.length === 0) return false;
  const reads = [...causes, ['.']].map((cause) => resolved(cause, path));
  for (const other of others) {
    const wrong = meantPath(other);
    if (reads.some((read) => isWithin(read, wrong))) return true;
  }
  return false;
}

function isWithin(read: readonly PropertyKey[], wrong: readonly PropertyKey[]): boolean {
  return (
    wrong.length <= read.length &&
    wrong.every((key, at) => read[at] === '*' || String(read[at]) === String(key))
  );
}

/** Where the value of a misspelled field was expected. */
function meantPath({ path, meant }: Derived): readonly PropertyKey[] {
  return meant === undefined ? path : [...path.slice(0, -1), meant];
}

function resolved([first, ...rest]: Cause, path: readonly PropertyKey[]): readonly PropertyKey[] {
  if (first === '.') return [...path, ...rest];
  if (first === '..')
    return rest[0] === '..' ? resolved(rest, path.slice(0, -1)) : [...path.slice(0, -1), ...rest];
  return first === undefined ? [] : [first, ...rest];
}
