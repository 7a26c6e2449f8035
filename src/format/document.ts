import type { z } from 'zod';
import { type ErrorCode, StowageError } from '../core/error.ts';
import { canonicalBytes, type Json, parseCanonical, parseJson } from '../core/json.ts';
import { MAX_JSON_DEPTH } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type Defect, defectsOf, pathText, withoutConsequences, wordsFor } from './defect.ts';

/** Where documents of one kind name their version, and how. */
export interface VersionMember {
  readonly member: 'schema' | 'apiVersion';
  /** What stands before the number, such as `stowage/bundle/v`. */
  readonly prefix: string;
  /** The first version that names itself; a document without the member is of version 1 when this is 2. */
  readonly namedSince: 1 | 2;
}

/** `schema: stowage/<kind>/v1`, of documents that programs write. */
export function schemaMember(kind: string, namedSince: 1 | 2 = 1): VersionMember {
  return { member: 'schema', prefix: `stowage/${kind}/v`, namedSince };
}

/** `apiVersion: stowage/v1`, of documents that people write. */
export const apiVersionMember: VersionMember = {
  member: 'apiVersion',
  prefix: 'stowage/v',
  namedSince: 1,
};

/** A version that was followed by another. */
export interface OlderVersion {
  readonly schema: z.ZodType<unknown>;
  /** Makes of a document of this version, which the schema accepted, one of the next. */
  readonly convert: (document: unknown) => unknown;
}

/** An entry of {@link Versions.older}. `convert` must be pure: it is called whenever such a document is read. */
export function olderVersion<Old, Next>(
  schema: z.ZodType<Old>,
  convert: (document: Old) => Next,
): OlderVersion {
  return { schema, convert: (document) => convert(document as Old) };
}

/** The versions of one kind of document. */
export interface Versions {
  /** Absent for documents that other programs define, which have no version of ours. */
  readonly versionIn?: VersionMember;
  /** The versions before the current one, v1 first; none when absent. */
  readonly older?: readonly OlderVersion[];
  /**
   * How many versions the current schema reads; one when absent. A document names the first of them that has all its fields, so
   * that older programs read whatever they understand. When a later version gets a schema of its own, each becomes an entry
   * of `older`.
   */
  readonly span?: number;
}

/** The newest version that this program reads and writes. */
export function currentVersion({ older = [], span = 1 }: Versions): number {
  return older.length + span;
}

/** The version that a document claims; undefined when it claims none of its kind. */
export function versionOf({ versionIn }: Versions, value: unknown): number | undefined {
  if (versionIn === undefined) return 1;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { member, prefix, namedSince } = versionIn;
  if (!Object.hasOwn(value, member)) return namedSince === 2 ? 1 : undefined;
  const named: unknown = (value as Readonly<Record<string, unknown>>)[member];
  if (typeof named !== 'string' || !named.startsWith(prefix)) return undefined;
  const digits = named.slice(prefix.length);
  return /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : undefined;
}

/** The error for a document of a version that this program does not know. */
export function newerFormat(
  kind: Versions & { readonly name: string; readonly newerHint?: string },
  version: number,
): StowageError {
  const prefix = kind.versionIn?.prefix ?? 'v';
  const current = currentVersion(kind);
  return new StowageError(
    'format-newer',
    `${kind.name} was written by a newer version of stowage`,
    {
      expected: current === 1 ? `${prefix}1` : `${prefix}1 to ${prefix}${current}`,
      found: `${prefix}${version}`,
      hint: kind.newerHint ?? 'use the version of stowage that wrote it, or a later one',
    },
  );
}

/** Hints for `format-newer`, by where the document is. */
export const newerHints = {
  bundle: 'use the installer in that bundle: stowage-<os>-<arch> in its folder',
  site: 'use bin/stowage in the folder of this site, or the installer in the bundle that was installed last',
  written:
    'use a version of stowage that reads this format, or write the file in the format that is expected',
} as const;

// zod passes over a record's member of this name where it should refuse it.
const HIDDEN = '__proto__';

/** How documents of one kind are called, versioned and refused. */
export interface DocumentKind<T> extends Versions {
  readonly name: string;
  readonly code: ErrorCode;
  /** Of the current version; made by `exact`. */
  readonly schema: z.ZodType<T>;
  /** A faster way to the schema's result for a valid document; undefined if the schema must be used. */
  readonly quick?: (value: unknown) => T | undefined;
  readonly maxBytes: number;
  readonly hint: string;
  /** The hint for a document whose defects have a place in a file that the reader can edit. */
  readonly hintAt?: (place: DefectPlace) => string;
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
  const mayHide = Buffer.from(buffer, byteOffset, byteLength).includes(HIDDEN);
  return read(kind, value, { mayHide });
}

/**
 * What parsed bytes say, in the current version. The version is read first. A newer one is refused before anything else in
 * it is looked at; an older one is checked against its own schema and converted, one version at a time.
 * @throws StowageError `format-newer`; otherwise with the kind's code, naming the path of every bad field
 */
export function readValue<T>(kind: DocumentKind<T>, value: unknown, reading: Reading = {}): T {
  return read(kind, value, { ...reading, mayHide: true });
}

/** Where a defect is in the file, counted from 1. */
export type Locate = (defect: Defect) => {
  readonly file: string;
  readonly line: number;
  readonly column: number;
};

/** The number at a path as it is printed and as it is written; undefined if there is none, or both are equal. */
export type Literal = (
  path: readonly PropertyKey[],
) => { readonly printed: string; readonly written: string } | undefined;

/** The first defect of a file. */
export interface DefectPlace {
  readonly file: string;
  readonly line: number;
  /** Absent if the file cannot be parsed. */
  readonly field?: string;
}

/** What is known about a document besides its value. */
export interface Reading {
  readonly locate?: Locate;
  /** A number that the file writes in another way than its value is printed: 1.10 has the value 1.1. */
  readonly literal?: Literal;
  /** Defects that the schema cannot see, reported together with its own. */
  readonly further?: readonly Defect[];
}

type Checking = Reading & { readonly mayHide: boolean };

function read<T>(kind: DocumentKind<T>, value: unknown, reading: Checking): T {
  const current = currentVersion(kind);
  // One that claims no version of this kind fails the current schema, which lists its other defects too.
  const version = versionOf(kind, value) ?? current;
  if (version > current) throw newerFormat(kind, version);
  let document = value;
  for (const older of kind.older?.slice(version - 1) ?? []) {
    document = older.convert(check(kind, older, document, { ...reading, further: [] }));
  }
  return check(kind, kind, document, reading);
}

/** The canonical bytes of a document. @throws StowageError with the kind's code for one that could not be read again */
export function writeCanonical<T>(kind: DocumentKind<T>, document: T): Buffer {
  checkDocument(kind, document);
  return writable(kind, canonicalBytes(document as Json));
}

/** A document as indented JSON with a final newline, members in the order they were given. @throws as {@link writeCanonical} */
export function writeJson<T>(kind: DocumentKind<T>, document: T): Buffer {
  checkDocument(kind, document);
  return writable(kind, Buffer.from(`${JSON.stringify(document, null, 2)}\n`, 'utf8'));
}

function writable<T>({ code, name, maxBytes }: DocumentKind<T>, bytes: Buffer): Buffer {
  if (bytes.byteLength <= maxBytes) return bytes;
  throw new StowageError(code, `${name} would be too large to be read again`, {
    expected: `at most ${maxBytes} bytes`,
    found: counted(bytes.byteLength, 'byte'),
    hint: 'it was not written; make several smaller releases or bundles of this one',
  });
}

/** Checks a value against the current schema of a kind. @throws StowageError naming the path of every bad field */
export function checkDocument<T>(kind: DocumentKind<T>, value: unknown): T {
  return check(kind, kind, value, { mayHide: true });
}

function check<T>(
  kind: DocumentKind<unknown>,
  version: Pick<DocumentKind<T>, 'schema' | 'quick'>,
  value: unknown,
  reading: Checking,
): T {
  const hidden = reading.mayHide ? hiddenMembers(value) : [];
  const sound =
    hidden.length === 0 && !reading.further?.length ? version.quick?.(value) : undefined;
  if (sound !== undefined) return sound;
  const result = version.schema.safeParse(value, { error: wordsFor });
  const { further = [], locate, literal } = reading;
  if (result.success && hidden.length === 0 && further.length === 0) return result.data;
  const defects = defectsOf(result.error?.issues ?? [], version.schema).map((each) => {
    const number = literal?.(each.path);
    if (number === undefined) return each;
    return { ...each, message: asWritten(each.message, number) };
  });
  const found = [...defects, ...hidden, ...further];
  throw refuseDefects(kind, found, locate);
}

/** The message with the number as the file has it: also in a version that was made of it, unless it has no fraction. */
function asWritten(
  message: string,
  { printed, written }: NonNullable<ReturnType<Literal>>,
): string {
  return printed.includes('.')
    ? message.replaceAll(printed, written)
    : message.replace(`number ${printed}`, `number ${written}`);
}

/** The error for a document with these defects, in the order of the file if their places are known. */
export function refuseDefects<T>(
  kind: DocumentKind<T>,
  defects: readonly Defect[],
  locate?: Locate,
): StowageError {
  const placed = inOrder(withoutConsequences(defects), locate);
  const lines = [...new Set(placed.map((each) => each.text))];
  const shown = lines.slice(0, 50);
  const count = lines.length === 1 ? '1 defect' : `${lines.length} defects`;
  const place = placed[0]?.place;
  return refuseDocument(kind, `${kind.name} has ${count}`, {
    expected: 'only known fields, with valid values',
    found: shown[0] ?? '',
    defects: shown,
    ...(place === undefined ? {} : { place }),
  });
}

interface PlacedDefect {
  readonly text: string;
  readonly place?: DefectPlace;
}

/** A line for each defect, with its place in the file if that is known, in the order of the file. */
function inOrder(defects: readonly Defect[], locate: Locate | undefined): PlacedDefect[] {
  const words = ({ path, message }: Defect): string => `${pathText(path)}: ${message}`;
  if (locate === undefined) return defects.map((each) => ({ text: words(each) }));
  return defects
    .map((defect) => ({ defect, ...locate(defect) }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .map(({ defect, file, line, column }) => ({
      text: `${file}:${line}:${column}: ${words(defect)}`,
      place: { file, line, field: pathText(defect.path) },
    }));
}

function hiddenMembers(value: unknown): Defect[] {
  const defects: Defect[] = [];
  const path: PropertyKey[] = [];
  const visit = (each: unknown): void => {
    if (typeof each !== 'object' || each === null || path.length > MAX_JSON_DEPTH) return;
    for (const [key, member] of Object.entries(each)) {
      path.push(Array.isArray(each) ? Number(key) : key);
      if (key === HIDDEN) defects.push({ path: [...path], message: 'unknown field', atKey: true });
      visit(member);
      path.pop();
    }
  };
  visit(value);
  return defects;
}

/** @throws StowageError with the kind's code for more bytes than it may have */
export function checkSize<T>(kind: DocumentKind<T>, bytes: Uint8Array): void {
  if (bytes.byteLength <= kind.maxBytes) return;
  throw refuseDocument(kind, `${kind.name} is too large`, {
    expected: `at most ${kind.maxBytes} bytes`,
    found: counted(bytes.byteLength, 'byte'),
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
    readonly place?: DefectPlace;
  },
): StowageError {
  const { defects = [], place, ...rest } = seen;
  const hint = (place && kind.hintAt?.(place)) ?? kind.hint;
  return new StowageError(kind.code, message, { ...rest, hint, defects });
}
