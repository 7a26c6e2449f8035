import type { z } from 'zod';
import { canonicalBytes, type Json, parseCanonical, parseJson } from '../core/canonical-json.ts';
import { StowageError } from '../core/error.ts';
import type { ErrorCode } from '../core/error-table.ts';
import { MAX_JSON_DEPTH } from '../core/limits.ts';
import { currentVersion, newerFormat, type Versions, versionOf } from './version.ts';

// zod passes over a record's member of this name where it should refuse it.
const HIDDEN = '__proto__';

/** How documents of one kind are called, versioned and refused. */
export interface DocumentKind<T> extends Versions {
  readonly name: string;
  readonly code: ErrorCode;
  /** Of the current version; made by `exact`. */
  readonly schema: z.ZodType<T>;
  /** What the schema would give for a sound document, sooner; undefined where the schema must be asked. */
  readonly quick?: (value: unknown) => T | undefined;
  readonly maxBytes: number;
  readonly hint: string;
  /** The hint for a document of a newer version. */
  readonly newerHint?: string;
}

/** Reads a document that Stowage wrote as JSON for people to read and keep. @throws as {@link readValue} */
export function readJson<T>(kind: DocumentKind<T>, bytes: Uint8Array): T {
  checkSize(kind, bytes);
  return readValue(
    kind,
    relabel(kind, () => parseJson(bytes)),
  );
}

/** Reads a document whose bytes must be the canonical JSON of its value (RFC 8785). @throws as {@link readValue} */
export function readCanonical<T>(kind: DocumentKind<T>, bytes: Uint8Array): T {
  checkSize(kind, bytes);
  const value = relabel(kind, () => parseCanonical(bytes));
  const { buffer, byteOffset, byteLength } = bytes;
  // In canonical form a name stands as it is.
  return read(kind, value, Buffer.from(buffer, byteOffset, byteLength).includes(HIDDEN));
}

/**
 * What parsed bytes say, in the current version. The version is read first. A newer one is refused before anything else in
 * it is looked at; an older one is checked against its own schema and converted, one version at a time.
 * @throws StowageError `format-newer`; otherwise with the kind's code, naming the path of every bad field
 */
export function readValue<T>(kind: DocumentKind<T>, value: unknown): T {
  return read(kind, value, true);
}

function read<T>(kind: DocumentKind<T>, value: unknown, mayHide: boolean): T {
  const current = currentVersion(kind);
  // One that claims no version of this kind fails the current schema, which lists its other defects too.
  const version = versionOf(kind, value) ?? current;
  if (version > current) throw newerFormat(kind, version);
  let document = value;
  for (const older of kind.older?.slice(version - 1) ?? []) {
    document = older.convert(check(kind, older, document, mayHide));
  }
  return check(kind, kind, document, mayHide);
}

/** The canonical bytes of a document. */
export function writeCanonical<T>(kind: DocumentKind<T>, document: T): Buffer {
  checkDocument(kind, document);
  return canonicalBytes(document as Json);
}

/** A document as indented JSON with a final newline, members in the order they were given. */
export function writeJson<T>(kind: DocumentKind<T>, document: T): Buffer {
  checkDocument(kind, document);
  return Buffer.from(`${JSON.stringify(document, null, 2)}\n`, 'utf8');
}

/** Checks a value against the current schema of a kind. @throws StowageError naming the path of every bad field */
export function checkDocument<T>(kind: DocumentKind<T>, value: unknown): T {
  return check(kind, kind, value, true);
}

function check<T>(
  kind: DocumentKind<unknown>,
  version: Pick<DocumentKind<T>, 'schema' | 'quick'>,
  value: unknown,
  mayHide: boolean,
): T {
  const hidden = mayHide ? hiddenMembers(value) : [];
  const sound = hidden.length === 0 ? version.quick?.(value) : undefined;
  if (sound !== undefined) return sound;
  const result = version.schema.safeParse(value);
  if (result.success && hidden.length === 0) return result.data;
  const issues = result.error?.issues ?? [];
  const defects = [...new Set([...issues.flatMap(describeIssue), ...hidden])];
  const shown = defects.slice(0, 50);
  const count = defects.length === 1 ? '1 defect' : `${defects.length} defects`;
  throw refuseDocument(kind, `${kind.name} has ${count}`, {
    expected: 'a document of its schema',
    found: shown[0] ?? '',
    defects: shown,
  });
}

function hiddenMembers(value: unknown): string[] {
  const defects: string[] = [];
  const path: PropertyKey[] = [];
  const visit = (each: unknown): void => {
    if (typeof each !== 'object' || each === null || path.length > MAX_JSON_DEPTH) return;
    for (const [key, member] of Object.entries(each)) {
      path.push(Array.isArray(each) ? Number(key) : key);
      if (key === HIDDEN) defects.push(`${pathOf(path)}: unknown field`);
      visit(member);
      path.pop();
    }
  };
  visit(value);
  return defects;
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${pathOf([...issue.path, key])}: unknown field`);
  }
  if (issue.code === 'invalid_union') {
    const nearest = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0] ?? [];
    const inner = nearest.flatMap((each) =>
      describeIssue({ ...each, path: [...issue.path, ...each.path] }),
    );
    if (inner.length > 0) return inner;
  }
  return [`${pathOf(issue.path)}: ${issue.message}`];
}

// Among the branches of a union, the one that got furthest is the one that was meant.
function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length)) - issues.length / 1000;
}

function pathOf(path: readonly PropertyKey[]): string {
  const text = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('');
  return text === '' ? '(document)' : text.replace(/^\./, '');
}

/** @throws StowageError with the kind's code for more bytes than it may have */
export function checkSize<T>(kind: DocumentKind<T>, bytes: Uint8Array): void {
  if (bytes.byteLength <= kind.maxBytes) return;
  throw refuseDocument(kind, `${kind.name} is too large`, {
    expected: `at most ${kind.maxBytes} bytes`,
    found: `${bytes.byteLength} bytes`,
  });
}

function relabel<T, V>(kind: DocumentKind<T>, read: () => V): V {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    throw refuseDocument(kind, `${kind.name}: ${error.message}`, {
      expected: error.expected ?? '',
      found: error.found ?? 'other bytes',
    });
  }
}

/** The error for a document of a kind. */
export function refuseDocument<T>(
  kind: DocumentKind<T>,
  message: string,
  seen: {
    readonly expected: string;
    readonly found: string;
    readonly defects?: readonly string[];
  },
): StowageError {
  const { defects = [], ...rest } = seen;
  return new StowageError(kind.code, message, { ...rest, hint: kind.hint, defects });
}
