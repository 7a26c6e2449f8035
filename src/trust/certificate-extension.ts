import { counted } from '../core/text.ts';
import { oids } from './algorithm.ts';
import { contextTag, type Der, type DerReader, derTag } from './der.ts';

/** The bits of a KeyUsage, by their number (RFC 5280 section 4.2.1.3). */
const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

export type KeyUsage = (typeof keyUsages)[number];

/** The values of a certificate's extensions; undefined for an extension that is absent. */
export interface Extensions {
  /** Whether it is a CA certificate. */
  readonly authority: boolean;
  /** How many CA certificates may be between it and a leaf. */
  readonly pathLength?: number;
  readonly keyUsage?: readonly KeyUsage[];
  /** Extended key usage: object identifiers. */
  readonly purposes?: readonly string[];
  /** Lower-case hex. */
  readonly subjectKeyId?: string;
  /** Lower-case hex. */
  readonly authorityKeyId?: string;
}

type Criticality = 'either' | 'never';
type Read = (value: Der, critical: boolean, read: DerReader) => Partial<Extensions>;

interface Rule {
  readonly name: string;
  readonly critical: Criticality;
  readonly read: Read;
}

const MAX_EXTENSIONS = 16;
const MAX_PURPOSES = 16;
const MAX_KEY_ID_BYTES = 64;

const tolerated = (name: string): Rule => ({ name, critical: 'never', read: () => ({}) });

/** The allow-list: any other extension is refused, critical or not. */
const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  [oids.basicConstraints, { name: 'basicConstraints', critical: 'either', read: basicConstraints }],
  [oids.keyUsage, { name: 'keyUsage', critical: 'either', read: keyUsage }],
  [oids.extendedKeyUsage, { name: 'extKeyUsage', critical: 'either', read: purposes }],
  [oids.subjectKeyIdentifier, { name: 'subjectKeyIdentifier', critical: 'never', read: subject }],
  [
    oids.authorityKeyIdentifier,
    { name: 'authorityKeyIdentifier', critical: 'never', read: issuer },
  ],
  [oids.certificatePolicies, tolerated('certificatePolicies')],
  [oids.crlDistributionPoints, tolerated('cRLDistributionPoints')],
  [oids.authorityInfoAccess, tolerated('authorityInfoAccess')],
  [oids.subjectAltName, tolerated('subjectAltName')],
]);

/** Reads the Extensions of a certificate. @throws the errors of the reader */
export function readExtensions(list: Der | undefined, read: DerReader): Extensions {
  const seen = new Set<string>();
  let extensions: Extensions = { authority: false };
  for (const each of read.members(list, derTag.sequence, 'extensions', [1, MAX_EXTENSIONS])) {
    const [type, ...rest] = read.members(each, derTag.sequence, 'an extension', [2, 3]);
    const dotted = read.oid(type, 'an extension');
    const critical = rest.length === 2 && read.boolean(rest[0], 'criticality');
    if (rest.length === 2 && !critical)
      throw read.refuse('an explicitly encoded default criticality');
    const rule = rules.get(dotted);
    if (rule === undefined)
      throw read.refuse(`unknown extension ${dotted}${critical ? ', critical' : ''}`);
    if (seen.has(dotted)) throw read.refuse(`${rule.name} twice`);
    if (critical && rule.critical === 'never') throw read.refuse(`${rule.name} marked critical`);
    seen.add(dotted);
    const value = read.parse(read.octets(rest.at(-1), rule.name), each.bytes.length);
    extensions = { ...extensions, ...rule.read(value, critical, read) };
  }
  return extensions;
}

function basicConstraints(value: Der, critical: boolean, read: DerReader): Partial<Extensions> {
  const [authority, pathLength] = read.members(value, derTag.sequence, 'basicConstraints', [0, 2]);
  if (authority === undefined) return { authority: false };
  if (!read.boolean(authority, 'basicConstraints'))
    throw read.refuse('an explicitly encoded default in basicConstraints');
  if (!critical) throw read.refuse('basicConstraints of a CA certificate not marked critical');
  if (pathLength === undefined) return { authority: true };
  return { authority: true, pathLength: read.small(pathLength, 'the path length') };
}

function keyUsage(value: Der, _critical: boolean, read: DerReader): Partial<Extensions> {
  const { content } = read.expect(value, derTag.bitString, 'keyUsage');
  const unused = content[0] ?? 0;
  const octets = content.subarray(1);
  const isSet = (_: string, bit: number): boolean =>
    ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
  // A named bit list ends with its last set bit (X.690 section 11.2.2).
  const bits = keyUsages.findLastIndex(isSet) + 1;
  if (bits === octets.length * 8 - unused && trailingZeros(octets) === unused)
    return { keyUsage: keyUsages.filter(isSet) };
  throw read.refuse('keyUsage is not a list of known bits');
}

/** -1 where no bit of the last octet is set. */
function trailingZeros(octets: Buffer): number {
  const last = octets.at(-1) ?? 0;
  return 31 - Math.clz32(last & -last);
}

function purposes(value: Der, _critical: boolean, read: DerReader): Partial<Extensions> {
  const members = read.members(value, derTag.sequence, 'extKeyUsage', [1, MAX_PURPOSES]);
  return { purposes: members.map((member) => read.oid(member, 'extKeyUsage')) };
}

function subject(value: Der, _critical: boolean, read: DerReader): Partial<Extensions> {
  return { subjectKeyId: keyId(read.octets(value, 'subjectKeyIdentifier'), read) };
}

function issuer(value: Der, _critical: boolean, read: DerReader): Partial<Extensions> {
  const what = 'authorityKeyIdentifier';
  const [id] = read.members(value, derTag.sequence, what, [1, 1]);
  return { authorityKeyId: keyId(read.expect(id, contextTag(0), what).content, read) };
}

function keyId(bytes: Buffer, read: DerReader): string {
  if (bytes.length > 0 && bytes.length <= MAX_KEY_ID_BYTES) return bytes.toString('hex');
  throw read.refuse(`a key identifier of ${counted(bytes.length, 'byte')}`);
}
