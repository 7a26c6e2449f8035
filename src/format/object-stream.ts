import { LineCounter, type ScalarTag, type Tags } from 'yaml';
import type { Json } from '../core/json.ts';
import { composeYaml, type YamlDocument } from './compose-yaml.ts';

/** An object in a stream of YAML documents. */
export interface StreamedObject {
  readonly object: { readonly [member: string]: Json };
  /** The file that a `# Source:` comment before it names, as `helm template` writes it; empty without one. */
  readonly source: string;
}

/** Collections that a text may repeat by aliases; go-yaml stops earlier for those that explode. */
const MAX_ALIASES = 1000;
/** Values of one document with its aliases written out. A text of 32 MiB has no more without them. */
const MAX_VALUES = 2_000_000;
/** The octal numbers of YAML 1.2, which go-yaml reads beside those of 1.1. */
const OCTAL: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?0o[0-7]+$/,
  resolve: (text) =>
    text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text.replace('+', '')),
};
/** Tags of YAML 1.1 that go-yaml, which kubectl and Helm read with, does not resolve in plain scalars. */
const NOT_IN_GO: ReadonlySet<string> = new Set(['intTime', 'floatTime', 'timestamp']);

const AS_IN_GO = {
  version: '1.1',
  customTags: (tags: Tags): Tags => [OCTAL, ...tags.filter((tag) => !NOT_IN_GO.has(identity(tag)))],
  // Text that is no YAML has an error for every few characters: only the first is described.
  prettyErrors: false,
  uniqueKeys: true,
  merge: true,
  intAsBigInt: true,
} as const;

/**
 * Reads the objects of a YAML stream as kubectl and Helm do: by YAML 1.1, in which `0644` is octal and `yes` is true.
 * Documents that are empty or null are left out; the items of a `List` stand for themselves.
 * @throws SyntaxError naming the line
 */
export function readObjectStream(text: string): StreamedObject[] {
  const lines = new LineCounter();
  const documents = documentsOf(text, lines);
  let pending = '';
  return documents.flatMap((document) => {
    const value = contentOf(document, lines);
    const { commentBefore, contents, comment } = document;
    const alone = value === null ? commentsOf(contents).comment : undefined;
    const before = [commentBefore, commentsOf(contents).commentBefore, comment, alone];
    const named = /^\s*Source:\s*(\S.*?)\s*$/m.exec(before.filter(Boolean).join('\n'))?.[1];
    const source = named ?? pending;
    // A file that begins with `---` leaves the comment in a document of its own.
    pending = value === null ? source : '';
    if (value === null) return [];
    return unlisted(value).map((object) => ({ object, source }));
  });
}

/** Reads one YAML document with an object, such as `Chart.yaml` or a file with values. @throws SyntaxError */
export function readYamlObject(text: string): { readonly [member: string]: Json } {
  const lines = new LineCounter();
  const [first, second] = documentsOf(text, lines);
  const value = first === undefined ? null : contentOf(first, lines);
  if (second !== undefined)
    throw new SyntaxError(`a second document at line ${lines.linePos(second.range[0]).line}`);
  if (value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value))
    return value as { readonly [member: string]: Json };
  throw new SyntaxError('a document that is not an object');
}

function documentsOf(text: string, lines: LineCounter): readonly YamlDocument[] {
  const { documents, tooMany } = composeYaml(text, { lineCounter: lines, parsing: AS_IN_GO });
  const [first] = tooMany ?? [];
  if (first !== undefined) throw faultAt(first.message, first.offset, lines);
  return documents;
}

function commentsOf(contents: unknown): { commentBefore?: string; comment?: string } {
  return typeof contents === 'object' && contents !== null ? contents : {};
}

function faultAt(message: string, offset: number, lines: LineCounter): SyntaxError {
  const { line, col } = lines.linePos(offset);
  return new SyntaxError(`${message.split('\n')[0]} at line ${line}, column ${col}`);
}

function contentOf(document: YamlDocument, lines: LineCounter): Json {
  const [error] = document.errors;
  if (error !== undefined) throw faultAt(error.message, error.pos[0], lines);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    // An alias without an anchor, or aliases that explode.
    if (!(cause instanceof ReferenceError)) throw cause;
    throw new SyntaxError(cause.message, { cause });
  }
  return plain(value, { left: MAX_VALUES });
}

function identity(tag: Tags[number]): string {
  if (typeof tag === 'string') return tag;
  const format = 'format' in tag ? tag.format : undefined;
  if (format === 'TIME') return 'intTime';
  return tag.tag === 'tag:yaml.org,2002:timestamp' ? 'timestamp' : tag.tag;
}

function unlisted(value: Json): { readonly [member: string]: Json }[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SyntaxError('a document that is not an object');
  const object = value as { readonly [member: string]: Json };
  const { kind, items } = object;
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [object];
  return items.flatMap((item) => unlisted(item as Json));
}

/** A value of YAML as JSON. @throws SyntaxError for a number that JSON readers would change, and for too many values */
function plain(value: unknown, budget: { left: number }): Json {
  budget.left -= 1;
  if (budget.left < 0) throw new SyntaxError(`a document with over ${MAX_VALUES} values`);
  if (typeof value === 'bigint') {
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))
      throw new SyntaxError(`the number ${value}, which not all readers of JSON keep`);
    return Number(value);
  }
  if (Array.isArray(value)) return value.map((each: unknown) => plain(each, budget));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, plain(each, budget)]),
    );
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new SyntaxError(`the number ${value}, which JSON does not have`);
  return (value ?? null) as Json;
}
