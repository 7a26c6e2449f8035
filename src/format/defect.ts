import type * as z from 'zod';
import { nearest } from '../core/text.ts';

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

/** A defect of a document: where it is, and what is wrong there. */
export interface Defect {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Whether the name of the field is wrong, not its value. */
  readonly atKey?: boolean;
  /** For an unknown field: the field that was probably meant. */
  readonly meant?: string;
  /** Values whose defects explain this one. */
  readonly causes?: readonly Cause[];
}

/** Runs a check although fields have defects, so that all defects of a document are reported at once. */
export const always = {
  when: ({ value }: { value: unknown }): boolean =>
    typeof value === 'object' && value !== null && !Array.isArray(value),
} as const;

const MISSING = 'required field is missing';
const UNCLEAR = 'is not in any accepted form';

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a mapping of fields',
  record: 'a mapping of names',
  null: 'null',
};

/** The words for an issue of a schema that has none of its own; passed to `safeParse`. */
export function wordsFor(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(nouns[issue.expected] ?? issue.expected, issue.input);
    case 'invalid_value': {
      if (issue.input === undefined) return MISSING;
      const values = issue.values.map(String);
      if (values.length === 1) return `expected ${values[0]}`;
      const near = typeof issue.input === 'string' ? nearest(issue.input, values) : undefined;
      const meant = near === undefined ? '' : `; did you mean ${near}?`;
      return `expected one of: ${values.join(', ')}${meant}`;
    }
    case 'too_big':
      return amount('at most', issue.origin, Number(issue.maximum), issue.inclusive !== false);
    case 'too_small':
      return amount('at least', issue.origin, Number(issue.minimum), issue.inclusive !== false);
    case 'not_multiple_of':
      return `expected a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return 'unknown field';
    case 'invalid_union':
      return issue.input === undefined ? MISSING : UNCLEAR;
    default:
      return UNCLEAR;
  }
}

function wrongType(expected: string, input: unknown): string {
  if (input === undefined) return MISSING;
  const quote = expected === 'text' && (typeof input === 'number' || typeof input === 'boolean');
  return `expected ${expected}, found ${kindOf(input)}${quote ? ': put it in quotes' : ''}`;
}

function kindOf(input: unknown): string {
  if (input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'number') return `the number ${input}`;
  if (typeof input === 'boolean') return `${input}`;
  return typeof input === 'string' ? 'text' : 'a mapping of fields';
}

function amount(bound: string, origin: string, limit: number, inclusive: boolean): string {
  if (!inclusive) return `expected ${bound === 'at least' ? 'more' : 'less'} than ${limit}`;
  if (origin === 'string') return `expected ${bound} ${limit} characters`;
  if (origin === 'array') return `expected ${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `expected ${bound} ${limit}`;
}

/** The defects that issues of a schema stand for. */
export function defectsOf(issues: readonly z.core.$ZodIssue[], schema: z.ZodType): Defect[] {
  return unlessMeant(issues.flatMap((issue) => defectsIn(issue, schema)));
}

/** A misspelled field is not missing as well. */
function unlessMeant(defects: readonly Defect[]): Defect[] {
  const meant = new Set(
    defects.flatMap((each) =>
      each.meant === undefined ? [] : [pathText([...each.path.slice(0, -1), each.meant])],
    ),
  );
  return defects.filter(({ path, message }) => message !== MISSING || !meant.has(pathText(path)));
}

function defectsIn(issue: z.core.$ZodIssue, schema: z.ZodType): Defect[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(schema, path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      ...unknownField(key, known),
      atKey: true,
    }));
  }
  if (issue.code === 'invalid_key')
    return [{ path, message: issue.issues[0]?.message ?? issue.message, atKey: true }];
  if (issue.code === 'invalid_union') {
    const branches = issue.errors.map((each) => ({
      wrongKind: each.some(({ code, path: at }) => code === 'invalid_type' && at.length === 0),
      depth: Math.max(0, ...each.map(({ path: at }) => at.length)),
      defects: unlessMeant(
        each.flatMap((inner) => defectsIn({ ...inner, path: [...path, ...inner.path] }, schema)),
      ),
    }));
    const inner = unlessUnknown(nearestBranch(branches), path, fieldsAt(schema, path));
    const whole = inner.every((each) => each.path.length === path.length && each.atKey !== true);
    if (inner.length > 0 && !(whole && issue.message !== UNCLEAR)) return inner;
  }
  const causes = issue.code === 'custom' ? causesIn(issue.params) : [];
  return [{ path, message: issue.message, ...(causes.length === 0 ? {} : { causes }) }];
}

interface Branch {
  /** Whether the value as a whole is of another type. */
  readonly wrongKind: boolean;
  /** How far below the value the deepest issue is. */
  readonly depth: number;
  readonly defects: Defect[];
}

/** The defects by the branch of a union that was meant: it fits best. */
function nearestBranch(branches: readonly Branch[]): Defect[] {
  const score = ({ wrongKind, depth, defects }: Branch): number =>
    (wrongKind ? -1000 : 0) - defects.length + depth / 1000;
  return branches.toSorted((a, b) => score(b) - score(a))[0]?.defects ?? [];
}

/** For a field of no branch, names those of all branches; the one that is missing in this branch would mislead. */
function unlessUnknown(
  defects: Defect[],
  at: readonly PropertyKey[],
  known: readonly string[],
): Defect[] {
  const strange = ({ atKey, meant, path }: Defect): boolean =>
    atKey === true &&
    meant === undefined &&
    path.length === at.length + 1 &&
    !known.includes(String(path.at(-1)));
  if (!defects.some(strange)) return defects;
  const message = `unknown field; expected one of: ${known.join(', ')}`;
  return defects
    .filter((each) => each.message !== MISSING)
    .map((each) => (strange(each) ? { ...each, message } : each));
}

/** What people of this field write for a field of ours. */
const habits: Readonly<Record<string, string>> = {
  volumes: 'mounts',
  environment: 'env',
  command: 'args',
  healthcheck: 'health',
  ram: 'memory',
  shmsize: 'sharedMemory',
  params: 'parameters',
};

function unknownField(key: string, known: readonly string[]): Pick<Defect, 'message' | 'meant'> {
  if (known.includes(key)) return { message: 'cannot be combined with the other fields here' };
  const habitual = Object.entries(habits).filter(([, name]) => known.includes(name));
  const names = new Map([...known.map((name): [string, string] => [name, name]), ...habitual]);
  const near = nearest(key, [...names.keys()]);
  const meant = near === undefined ? undefined : names.get(near);
  if (meant === undefined) return { message: 'unknown field' };
  return { message: `unknown field; did you mean ${meant}?`, meant };
}

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
}

/** The names of the fields that a schema knows at a path. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let definitions = unwrap(schema);
  for (const key of path) {
    definitions = definitions.flatMap(({ shape, element, valueType }) => {
      const next = shape?.[String(key)] ?? element ?? valueType;
      return next === undefined ? [] : unwrap(next);
    });
  }
  return [...new Set(definitions.flatMap(({ shape = {} }) => Object.keys(shape)))];
}

function unwrap(schema: z.ZodType): Definition[] {
  const definition = schema.def as unknown as Definition;
  const { innerType, in: input, options } = definition;
  if (options !== undefined) return options.flatMap(unwrap);
  const inner = innerType ?? input;
  return inner === undefined ? [definition] : unwrap(inner);
}

/** A path as messages show it: `services[0].memory`. */
export function pathText(path: readonly PropertyKey[]): string {
  const text = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('');
  return text === '' ? '(document)' : text.replace(/^\./, '');
}
