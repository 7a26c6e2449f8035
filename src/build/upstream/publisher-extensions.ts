import { oids } from '../../trust/algorithm.ts';
import { contextTag, type Der, type DerReader, derTag } from '../../trust/der.ts';

/** What the extensions of a publisher's certificate say; undefined where an extension is absent. */
export interface PublisherExtensions {
  readonly authority: boolean;
  /** How many intermediates may follow before the leaf. */
  readonly pathLength?: number;
  /** The first octet of the key usage: 0x80 digitalSignature, 0x04 keyCertSign (RFC 5280 section 4.2.1.3). */
  readonly keyUsage?: number;
  /** Extended key usage: object identifiers. */
  readonly purposes?: readonly string[];
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
  /** Email addresses, host names, URIs and Fulcio user names. */
  readonly identities?: readonly string[];
  /** The OIDC issuer: Fulcio's 1.3.6.1.4.1.57264.1.8, or the older 1.1. */
  readonly oidcIssuer?: string;
}

type Read = (value: Der, read: DerReader) => Partial<PublisherExtensions>;

const FULCIO = '1.3.6.1.4.1.57264.1';
const MAX_EXTENSIONS = 64;
const MAX_NAMES = 256;
const MAX_TEXT_BYTES = 4096;

/** Extensions that are read. Others are ignored when they are not critical, except {@link UNSUPPORTED}. */
const readers: ReadonlyMap<string, Read> = new Map<string, Read>([
  [oids.basicConstraints, basicConstraints],
  [oids.keyUsage, keyUsage],
  [oids.extendedKeyUsage, purposes],
  [oids.subjectAltName, names],
  [
    oids.subjectKeyIdentifier,
    (value, read) => ({ subjectKeyId: read.octets(value, 'a key identifier').toString('hex') }),
  ],
  [oids.authorityKeyIdentifier, authorityKey],
  [`${FULCIO}.8`, (value, read) => ({ oidcIssuer: text(value, derTag.utf8String, read) })],
]);

/**
 * Restrictions on what a CA may certify (RFC 5280 section 4.2.1.10 to 4.2.1.14). They must be critical; where a CA left that
 * out, ignoring them would accept what it forbids.
 */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ['2.5.29.30', 'name constraints'],
  ['2.5.29.36', 'policy constraints'],
  ['2.5.29.54', 'limits on any-policy'],
]);

/** Reads the extensions of a certificate (RFC 5280 section 4.2). @throws what the reader refuses with */
export function readExtensions(list: Der | undefined, read: DerReader): PublisherExtensions {
  const seen = new Set<string>();
  let extensions: PublisherExtensions = { authority: false };
  let older: string | undefined;
  for (const each of read.members(list, derTag.sequence, 'extensions', [1, MAX_EXTENSIONS])) {
    const [type, ...rest] = read.members(each, derTag.sequence, 'an extension', [2, 3]);
    const dotted = read.oid(type, 'an extension');
    const critical = rest.length === 2 && read.boolean(rest[0], 'criticality');
    if (seen.has(dotted)) throw read.refuse(`extension ${dotted} twice`);
    seen.add(dotted);
    const content = read.octets(rest.at(-1), 'an extension');
    const reader = readers.get(dotted);
    if (reader === undefined && critical) throw read.refuse(`unknown critical extension ${dotted}`);
    const unsupported = UNSUPPORTED.get(dotted);
    if (unsupported !== undefined) throw read.refuse(`${unsupported}, which are not supported`);
    // Fulcio wrote this extension as plain text, not as DER.
    if (dotted === `${FULCIO}.1`) older = plain(content, read);
    if (reader !== undefined)
      extensions = { ...extensions, ...reader(read.parse(content, each.bytes.length), read) };
  }
  if (older === undefined) return extensions;
  if (extensions.oidcIssuer !== undefined && extensions.oidcIssuer !== older)
    throw read.refuse('two different OIDC issuers');
  return { ...extensions, oidcIssuer: older };
}

function basicConstraints(value: Der, read: DerReader): Partial<PublisherExtensions> {
  const [authority, length] = read.members(value, derTag.sequence, 'basicConstraints', [0, 2]);
  if (authority === undefined || !read.boolean(authority, 'basicConstraints')) return {};
  if (length === undefined) return { authority: true };
  return { authority: true, pathLength: read.small(length, 'the path length') };
}

function keyUsage(value: Der, read: DerReader): Partial<PublisherExtensions> {
  const { content } = read.expect(value, derTag.bitString, 'keyUsage');
  if (content.length < 2 || content.length > 3) throw read.refuse('keyUsage is not a list of bits');
  return { keyUsage: content[1] ?? 0 };
}

function purposes(value: Der, read: DerReader): Partial<PublisherExtensions> {
  const members = read.members(value, derTag.sequence, 'extKeyUsage', [1, MAX_EXTENSIONS]);
  return { purposes: members.map((member) => read.oid(member, 'extKeyUsage')) };
}

function authorityKey(value: Der, read: DerReader): Partial<PublisherExtensions> {
  const members = read.members(value, derTag.sequence, 'authorityKeyIdentifier', [0, 3]);
  const id = members.find((each) => each.tag === contextTag(0));
  return id === undefined ? {} : { authorityKeyId: id.content.toString('hex') };
}

/** GeneralNames: rfc822Name [1], dNSName [2], uniformResourceIdentifier [6], otherName [0] of Fulcio. */
function names(value: Der, read: DerReader): Partial<PublisherExtensions> {
  const members = read.members(value, derTag.sequence, 'subjectAltName', [1, MAX_NAMES]);
  const identities: string[] = [];
  for (const each of members) {
    if ([1, 2, 6].some((number) => each.tag === contextTag(number)))
      identities.push(plain(each.content, read));
    const [type, wrapped] = each.tag === 0xa0 ? each.children : [];
    if (type !== undefined && read.oid(type, 'subjectAltName') === `${FULCIO}.7`)
      identities.push(text(wrapped?.children[0], derTag.utf8String, read));
  }
  return { identities };
}

function text(value: Der | undefined, tag: number, read: DerReader): string {
  return plain(read.expect(value, tag, 'a name').content, read);
}

/** Text without control characters and spaces other than U+0020, which could make it look like another. */
function plain(bytes: Buffer, read: DerReader): string {
  const decoded = bytes.toString('utf8');
  if (
    bytes.length > 0 &&
    bytes.length <= MAX_TEXT_BYTES &&
    Buffer.from(decoded).equals(bytes) &&
    !/[\p{C}\p{Z}]/u.test(decoded.replaceAll(' ', ''))
  )
    return decoded;
  throw read.refuse('a name that is not plain text');
}
