import { StowageError } from '../core/error.ts';
import { printable } from '../core/text.ts';
import { oids } from './algorithm.ts';
import { constructed, type Der, type DerReader, derTag, oid, sequence, utf8String } from './der.ts';

/** The subject of a certificate. */
export interface DistinguishedName {
  /** At most 64 characters, as X.520 allows; the same for the organization. */
  readonly commonName: string;
  readonly organization: string;
}

const MAX_NAME_CHARACTERS = 64;
const MAX_ATTRIBUTES = 16;
const SPECIAL = /[,+"\\<>;=]/g;

const attributeNames: ReadonlyMap<string, string> = new Map([
  [oids.commonName, 'CN'],
  [oids.organization, 'O'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
]);

const textTags: readonly number[] = [derTag.utf8String, derTag.printableString, derTag.ia5String];

/** An RDNSequence of organization and common name, as UTF8String (RFC 5280 section 4.1.2.4). @throws StowageError `certificate-invalid` */
export function encodeName(name: DistinguishedName): Der {
  return sequence(
    relativeName(oids.organization, name.organization),
    relativeName(oids.commonName, name.commonName),
  );
}

/**
 * A name for display, in the order of its encoding: `O=Example Agency, CN=Release`. Control characters are escaped.
 * For display only: names are compared as bytes.
 * @throws the errors of the reader, also for an empty name
 */
export function describeName(name: Der | undefined, what: string, read: DerReader): string {
  const members = read.members(name, derTag.sequence, what, [1, MAX_ATTRIBUTES]);
  return members.map((member) => describeRelativeName(member, what, read)).join(', ');
}

function describeRelativeName(member: Der, what: string, read: DerReader): string {
  const attributes = read.members(member, derTag.set, what, [1, MAX_ATTRIBUTES]);
  return attributes
    .map((attribute) => {
      const [type, value] = read.members(attribute, derTag.sequence, what, [2, 2]);
      const dotted = read.oid(type, what);
      return `${attributeNames.get(dotted) ?? dotted}=${describeValue(value)}`;
    })
    .join('+');
}

function describeValue(value: Der | undefined): string {
  if (value === undefined) return '';
  if (!textTags.includes(value.tag)) return `#${value.bytes.toString('hex')}`;
  return printable(
    value.content.toString('utf8').replace(SPECIAL, (character) => `\\${character}`),
  );
}

function relativeName(type: string, text: string): Der {
  const length = [...text].length;
  if (length > 0 && length <= MAX_NAME_CHARACTERS && printable(text) === text)
    return constructed(derTag.set, [sequence(oid(type), utf8String(text))]);
  throw new StowageError('certificate-invalid', 'the name cannot be used in a certificate', {
    expected: `1 to ${MAX_NAME_CHARACTERS} printable characters`,
    found: JSON.stringify(text.slice(0, MAX_NAME_CHARACTERS)),
    hint: 'choose a shorter name of printable characters',
  });
}
