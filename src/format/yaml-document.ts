import { isMap, isScalar, isSeq, LineCounter } from 'yaml';
import { composeYaml, type YamlFault } from './compose-yaml.ts';
import type { Defect } from './defect.ts';
import {
  checkSize,
  type DocumentKind,
  type Literal,
  type Locate,
  readValue,
  refuseDocument,
} from './document.ts';

const ANOTHER = 'a second document begins';

/** A parsed YAML or JSON file, not yet checked against a schema. */
export interface YamlSource {
  readonly value: unknown;
  /** Absent if the file has no name. */
  readonly locate?: Locate;
  readonly literal: Literal;
}

/**
 * Reads a document that a person wrote in YAML, of which JSON is a part.
 * @param file its name in messages; each defect then names its line and column
 * @throws StowageError with the kind's code, every defect listed
 */
export function readYaml<T>(kind: DocumentKind<T>, bytes: Uint8Array, file?: string): T {
  const { value, ...reading } = parseYaml(kind, bytes, file);
  return readValue(kind, value, reading);
}

/** Parses YAML without checking it against the schema. @throws StowageError as {@link readYaml} */
export function parseYaml<T>(kind: DocumentKind<T>, bytes: Uint8Array, file?: string): YamlSource {
  checkSize(kind, bytes);
  const lineCounter = new LineCounter();
  const place = (offset: number): ReturnType<Locate> => {
    const { line, col } = lineCounter.linePos(offset);
    return { file: file ?? '', line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  let defects: string[] = [];
  let line: number | undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const parsing = { prettyErrors: false, uniqueKeys: true };
    const options = { forceDocument: true, lineCounter, parsing };
    const { documents, tooMany } = composeYaml(text, options);
    const [yaml, another] = documents;
    const own = [...(yaml?.errors ?? []), ...(yaml?.warnings ?? [])].map(
      ({ message, pos }): YamlFault => ({ message, offset: pos[0] }),
    );
    const second = another === undefined ? [] : [{ message: ANOTHER, offset: another.range[0] }];
    defects = (tooMany ?? [...own, ...second]).map(({ message, offset }) => {
      const at = place(offset);
      line ??= at.line;
      return file === undefined
        ? `line ${at.line}, column ${at.column}: ${firstLine(message)}`
        : `${file}:${at.line}:${at.column}: ${firstLine(message)}`;
    });
    const [first] = defects;
    if (first !== undefined || yaml === undefined) throw new SyntaxError(first);
    const value: unknown = yaml.toJS({ maxAliasCount: 0 });
    const locate = (defect: Defect): ReturnType<Locate> => place(offsetOf(yaml.contents, defect));
    const literal: Literal = (path) => {
      const node = yaml.getIn(path, true);
      if (!isScalar(node) || typeof node.value !== 'number' || node.source === undefined) return;
      const [printed, written] = [String(node.value), node.source];
      if (printed === written || !/^[0-9]+\.[0-9]+$/.test(written)) return;
      return { printed, written };
    };
    return { value, literal, ...(file === undefined ? {} : { locate }) };
  } catch (cause) {
    throw refuseDocument(kind, `${kind.name} is not valid YAML`, {
      expected: 'YAML in UTF-8, without aliases',
      found: cause instanceof Error ? firstLine(cause.message) : 'invalid text',
      defects: [...new Set(defects)].slice(0, 50),
      ...(file === undefined || line === undefined ? {} : { place: { file, line } }),
    });
  }
}

/** What can be read of a YAML file that may have defects; undefined if nothing can. */
export function salvageYaml(bytes: Uint8Array): unknown {
  try {
    const text = Buffer.from(bytes).toString('utf8');
    const [yaml] = composeYaml(text, { lineCounter: new LineCounter(), parsing: {} }).documents;
    return yaml?.toJS({ maxAliasCount: 0 });
  } catch {
    return undefined;
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

/** The offset of a value, of its name if that is wrong or it has no value, or of what it is missing from. */
function offsetOf(root: unknown, { path, atKey }: Defect): number {
  let node: unknown = root;
  let offset = rangeOf(root) ?? 0;
  for (const [index, key] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(
        (each) => isScalar(each.key) && String(each.key.value) === String(key),
      );
      if (pair === undefined) return offset;
      const named = rangeOf(pair.key) ?? offset;
      const last = index === path.length - 1;
      offset = last && atKey === true ? named : (rangeOf(pair.value) ?? named);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = rangeOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

/** Undefined for the empty value of `name:`. */
function rangeOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node)) return undefined;
  const [start, end] = (node.range ?? []) as number[];
  return start === end ? undefined : start;
}
