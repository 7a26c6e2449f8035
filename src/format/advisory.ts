import { StowageError } from '../core/error.ts';
import { fieldsOf, listOf, parseJson, textOf } from '../core/json.ts';
import { PRODUCT } from '../core/product.ts';
import { oneLine } from '../core/text.ts';
import { momentOf } from './field.ts';
import { scannerNames } from './scan-findings.ts';

/** What a CycloneDX document says of vulnerabilities (VEX; CycloneDX 1.4 and later, section Vulnerabilities). */
export interface Advisory {
  /** When it was written: what became known later is not in it. */
  readonly at: string;
  /** The component that it is about, such as `chat 1.2.0`; absent if it names none. */
  readonly about?: string;
  /** SHA-512 of the `SHA512SUMS` of the bundle that it is about, 128 hex digits; absent if it names none. */
  readonly bundle?: string;
  readonly vulnerabilities: readonly Vulnerability[];
  /** The scanner that found them, such as `grype`; absent if the document names none: then a person or another tool wrote it. */
  readonly scanner?: string;
  /** When the database of the scanner was built, RFC 3339; absent if it does not say. */
  readonly databaseBuilt?: string;
  /** What the scanner did not look at, in words. */
  readonly notScanned: readonly string[];
}

export interface Vulnerability {
  readonly id: string;
  /** The verdict of whoever analysed it, such as `not_affected` or `exploitable`; `unknown` without one. */
  readonly state: string;
}

/** The states of CycloneDX in which a vulnerability needs nobody's attention. */
const HARMLESS: ReadonlySet<string> = new Set([
  'resolved',
  'resolved_with_pedigree',
  'false_positive',
  'not_affected',
]);

/** The vulnerabilities with which a person must still do something. */
export function openIn({ vulnerabilities }: Advisory): Vulnerability[] {
  return vulnerabilities.filter(({ state }) => !HARMLESS.has(state));
}

const MAX_VULNERABILITIES = 100_000;
/** The property of a scanner that says when its database was built, RFC 3339. */
export const DATABASE_BUILT: string = `${PRODUCT}:database-built`;
/** The property of an advisory that says what was not scanned. */
export const NOT_SCANNED: string = `${PRODUCT}:not-scanned`;

/** @throws StowageError `index-malformed` for a file that is no CycloneDX document with a time and vulnerabilities */
export function readAdvisory(bytes: Uint8Array): Advisory {
  const { bomFormat, metadata, vulnerabilities } = fieldsOf(parsed(bytes));
  if (bomFormat !== 'CycloneDX') throw malformed('bomFormat: CycloneDX', String(bomFormat));
  const { timestamp, component, tools, properties } = fieldsOf(metadata);
  const at = new Date(textOf(timestamp, 64) ?? '');
  if (Number.isNaN(at.getTime())) throw malformed('metadata.timestamp', String(timestamp));
  if (!Array.isArray(vulnerabilities) || vulnerabilities.length > MAX_VULNERABILITIES)
    throw malformed(`vulnerabilities, at most ${MAX_VULNERABILITIES}`, 'another value');
  const { name, version, hashes } = fieldsOf(component);
  const bundle = listOf(hashes)
    .filter(({ alg }) => alg === 'SHA-512')
    .flatMap(({ content }) => textOf(content) ?? [])
    .find((each) => /^[0-9a-f]{128}$/.test(each));
  const about = [name, version].flatMap((each) => textOf(each, 200) ?? []).join(' ');
  return {
    at: momentOf(at),
    ...(about === '' ? {} : { about: oneLine(about, 200) }),
    ...(bundle === undefined ? {} : { bundle }),
    vulnerabilities: listOf(vulnerabilities).map(({ id, analysis }) => ({
      id: oneLine(textOf(id) ?? 'without an id', 100),
      state: oneLine(textOf(fieldsOf(analysis)['state']) ?? 'unknown', 40),
    })),
    ...scannerIn(fieldsOf(tools)['components']),
    notScanned: valuesOf(properties, NOT_SCANNED),
  };
}

/** The scanner among the tools of a document, as `fleet scan` names it. */
function scannerIn(tools: unknown): Pick<Advisory, 'scanner' | 'databaseBuilt'> {
  const known: readonly string[] = scannerNames;
  const found = listOf(tools).find(({ name }) => known.includes(textOf(name) ?? ''));
  if (found === undefined) return {};
  const [text = ''] = valuesOf(found['properties'], DATABASE_BUILT);
  const built = new Date(text);
  return {
    scanner: textOf(found['name']) ?? '',
    ...(Number.isNaN(built.getTime()) ? {} : { databaseBuilt: momentOf(built) }),
  };
}

/** The values of the properties of CycloneDX that have a name. */
function valuesOf(properties: unknown, wanted: string): string[] {
  return listOf(properties)
    .filter(({ name }) => name === wanted)
    .flatMap(({ value }) => textOf(value) ?? [])
    .map((each) => oneLine(each, 500));
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    throw malformed(error.expected ?? 'JSON', error.found ?? 'something else');
  }
}

function malformed(expected: string, found: string): StowageError {
  return new StowageError('index-malformed', 'the advisory is no CycloneDX document', {
    expected,
    found: oneLine(found, 200),
    hint: 'ask whoever made the advisory for a CycloneDX VEX document in JSON',
  });
}
