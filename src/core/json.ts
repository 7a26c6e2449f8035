import { StowageError } from './error.ts';
import { MAX_JSON_DEPTH } from './limits.ts';

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The canonical form of a JSON value (RFC 8785, JCS): members sorted by UTF-16 code units, no spaces,
 * ECMAScript numbers. Members whose value is undefined are left out.
 * @throws StowageError `document-invalid` for what JCS cannot represent: NaN, infinities, lone surrogates
 */
export function canonicalJson(value: Json): string {
  return write(value, 0);
}

/** {@link canonicalJson} as UTF-8 without a final newline, for hashing and signing. */
export function canonicalBytes(value: Json): Buffer {
  return Buffer.from(canonicalJson(value), 'utf8');
}

/**
 * Parses bytes that must be the canonical form of their value. Refuses byte-order marks, invalid UTF-8, duplicate
 * members, numbers that do not round-trip, and any white space: the value is written again and the bytes are compared.
 * @throws StowageError `document-invalid`
 */
export function parseCanonical(bytes: Uint8Array): Json {
  const text = decode(bytes);
  const value = parse(text);
  if (isPlainlyCanonical(text, value)) return value;
  if (Buffer.compare(canonicalBytes(value), bytes) !== 0) {
    throw refuse('JSON that is not in canonical form', 'the RFC 8785 encoding of this value');
  }
  return value;
}

/** Parses UTF-8 JSON without duplicate members, nested at most {@link MAX_JSON_DEPTH} levels deep. @throws StowageError `document-invalid` */
export function parseJson(bytes: Uint8Array): Json {
  const text = decode(bytes);
  const value = parse(text);
  const defect = jsonTextDefect(text);
  if (defect === undefined) return value;
  throw refuse(`JSON with ${defect}`, `each member once, and at most ${MAX_JSON_DEPTH} levels`);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw unreadable(cause);
  }
}

/**
 * A fast check, in native code, that a text is the canonical form of the value that `JSON.parse` returned. False does
 * not mean that it is not: escaped surrogates and integer-like names, which JavaScript reorders, need the full check.
 */
function isPlainlyCanonical(text: string, value: Json): boolean {
  return !text.includes('\\u') && isSorted(value, 0) && isJsonOf(text, value);
}

/** Items of a list whose JSON is made at once. */
const LIST_PIECE = 1000;
/** Lists in the JSON of deeper members are not divided. */
const DIVIDED_DEPTH = 4;

/** Whether a text is the JSON of a value; compared in pieces, so that the JSON is not in memory twice. */
function isJsonOf(text: string, value: Json): boolean {
  let at = 0;
  const follows = (piece: string): boolean => {
    const found = text.startsWith(piece, at);
    at += piece.length;
    return found;
  };
  const visit = (each: Json | undefined, depth: number): boolean => {
    if (typeof each !== 'object' || each === null || depth > DIVIDED_DEPTH)
      return follows(JSON.stringify(each));
    if (Array.isArray(each)) return visitList(each, depth);
    const members = Object.entries(each);
    const found = members.every(
      ([key, member], index) =>
        follows(`${index === 0 ? '{' : ','}${JSON.stringify(key)}:`) && visit(member, depth + 1),
    );
    return found && follows(members.length === 0 ? '{}' : '}');
  };
  const visitList = (list: readonly Json[], depth: number): boolean => {
    if (list.length <= LIST_PIECE) {
      const found = list.every(
        (each, index) => follows(index === 0 ? '[' : ',') && visit(each, depth + 1),
      );
      return found && follows(list.length === 0 ? '[]' : ']');
    }
    for (let start = 0; start < list.length; start += LIST_PIECE) {
      const piece = JSON.stringify(list.slice(start, start + LIST_PIECE));
      if (!follows(`${start === 0 ? '[' : ','}${piece.slice(1, -1)}`)) return false;
    }
    return follows(']');
  };
  return visit(value, 0) && at === text.length;
}

function isSorted(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth > MAX_JSON_DEPTH) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isSorted(item, depth + 1)) return false;
    return true;
  }
  const record = value as { readonly [key: string]: Json | undefined };
  let previous: string | undefined;
  for (const key in record) {
    if (!Object.hasOwn(record, key) || (previous !== undefined && previous >= key)) return false;
    if (!isSorted(record[key], depth + 1)) return false;
    previous = key;
  }
  return true;
}

function write(value: Json, depth: number): string {
  if (depth > MAX_JSON_DEPTH)
    throw refuse('JSON nested too deep', `at most ${MAX_JSON_DEPTH} levels`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return writeNumber(value);
  if (typeof value === 'string') return writeString(value);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(',')}]`;
  const record = value as { readonly [key: string]: Json | undefined };
  const members: string[] = [];
  for (const key of Object.keys(record).sort()) {
    const member = record[key];
    if (member !== undefined) members.push(`${writeString(key)}:${write(member, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value))
    throw refuse('a number that JSON cannot represent', 'a finite number');
  return JSON.stringify(value);
}

function writeString(value: string): string {
  if (LONE_SURROGATE.test(value))
    throw refuse('a lone surrogate in a string', 'well-formed Unicode');
  return JSON.stringify(value);
}

function unreadable(cause: unknown): StowageError {
  return refuse('invalid JSON', 'a JSON document in UTF-8', cause);
}

function refuse(message: string, expected: string, cause?: unknown): StowageError {
  return new StowageError('document-invalid', message, {
    expected,
    hint: 'get a new copy of the document from its author; do not edit it by hand',
    cause,
  });
}

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g;

/**
 * What `JSON.parse` accepts silently and other parsers treat differently: a duplicate member, of which it keeps the last,
 * and values nested too deep. Undefined if there is neither. Names are compared after their escapes are decoded.
 * @param text JSON that `JSON.parse` accepts
 */
export function jsonTextDefect(text: string): string | undefined {
  const open: Set<string>[] = [];
  let latest = '""';
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') latest = token;
    else {
      const name = String(JSON.parse(latest));
      if (open.at(-1)?.has(name)) return `${JSON.stringify(name.slice(0, 64))} twice in one object`;
      open.at(-1)?.add(name);
    }
    if (open.length > MAX_JSON_DEPTH) return `more than ${MAX_JSON_DEPTH} levels`;
  }
  return undefined;
}

/** A foreign JSON object, not yet validated. */
export type Fields = Readonly<Record<string, unknown>>;

/** The members of an object; none for any other value. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

/** A string of at most `max` characters, or undefined. */
export function textOf(value: unknown, max = 4096): string | undefined {
  return typeof value === 'string' && value.length <= max ? value : undefined;
}

/** A count of bytes, or undefined. */
export function sizeOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}

/** The entries of a list, in their places; an entry that is no mapping has no fields. */
export function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

/** The entries of a list as text. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
