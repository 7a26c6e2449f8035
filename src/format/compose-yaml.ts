import { Composer, Parser } from 'yaml';

/** An error or a warning in a text, at an offset in it. */
export interface YamlFault {
  readonly message: string;
  readonly offset: number;
}

interface OwnFault {
  readonly message: string;
  readonly pos: readonly [number, number];
}

/** A document, as the library has it: its own types would be needed by whoever uses these. */
export interface YamlDocument {
  readonly errors: readonly OwnFault[];
  readonly warnings: readonly OwnFault[];
  readonly range: readonly [number, number, number];
  readonly contents: unknown;
  readonly commentBefore: string | null;
  readonly comment: string | null;
  toJS(options: { readonly maxAliasCount: number }): unknown;
  getIn(path: Iterable<unknown>, keepScalar?: boolean): unknown;
}

export interface ComposedYaml {
  readonly documents: readonly YamlDocument[];
  /** The first faults of a text that has too many to go on; absent for any other, whose documents have their own. */
  readonly tooMany?: readonly YamlFault[];
}

export interface ComposeOptions {
  /** Notes where lines begin. */
  readonly lineCounter: { readonly addNewLine: (offset: number) => number };
  /** Whether a text without a document has an empty one. */
  readonly forceDocument?: boolean;
  /** Those of the library. */
  readonly parsing: object;
}

/** Text that is no YAML has an error for every few characters, each of a kilobyte: what has so many is not read to its end. */
const MAX_FAULTS = 200;

/** Parses the documents of a text, up to {@link MAX_FAULTS}. */
export function composeYaml(
  text: string,
  { forceDocument = false, lineCounter, parsing }: ComposeOptions,
): ComposedYaml {
  const composer = new Composer(parsing);
  const faults: YamlFault[] = [];
  const note = (fault: YamlFault): void => {
    faults.push(fault);
    if (faults.length >= MAX_FAULTS) throw new TooManyFaults();
  };
  observe(composer, note);
  const documents: YamlDocument[] = [];
  try {
    for (const token of new Parser(lineCounter.addNewLine).parse(text)) {
      if (token.type === 'error') note({ message: token.message, offset: token.offset });
      documents.push(...composer.next(token));
    }
    documents.push(...composer.end(forceDocument, text.length));
    return { documents };
  } catch (error) {
    if (!(error instanceof TooManyFaults)) throw error;
    return { documents: [], tooMany: faults };
  }
}

class TooManyFaults extends Error {}

interface Reporting {
  onError: (source: unknown, code: string, message: string, warning?: boolean) => void;
}

/** A composer keeps all faults of a document until its end, and has no other way to tell them before. */
function observe(composer: Composer, note: (fault: YamlFault) => void): void {
  const reporting = composer as unknown as Reporting;
  const report = reporting.onError;
  reporting.onError = (source, code, message, warning) => {
    report(source, code, message, warning);
    note({ message, offset: offsetOf(source) });
  };
}

function offsetOf(source: unknown): number {
  if (typeof source === 'number') return source;
  if (Array.isArray(source)) return Number(source[0]);
  return Number((source as { readonly offset?: number } | undefined)?.offset ?? 0);
}
