import forge from 'node-forge';
import { StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { layoutDefect } from './der-layout.ts';

/** One DER value (X.690). Values are immutable. */
export interface Der {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  /** The content octets, without tag and length. */
  readonly content: Buffer;
  /** The values inside a constructed value; empty for a primitive one. */
  readonly children: readonly Der[];
  /** The whole encoding. */
  readonly bytes: Buffer;
}

/** Makes the error for malformed bytes. */
export type Refuse = (defect: string) => StowageError;

const CLASS = 0xc0;
const CONSTRUCTED = 0x20;

// Bit strings are octets here: forge must not guess whether they contain further values.
const STRICT = { strict: true, parseAllBytes: true, decodeBitStrings: false };
const fromDer = forge.asn1.fromDer as unknown as (
  bytes: string,
  options: typeof STRICT,
) => forge.asn1.Asn1;

/**
 * Parses bytes that are exactly one DER value. The value is encoded again and compared, so it has one encoding only.
 * @param maxBytes limit on the length, checked before anything is parsed
 * @throws the error that `refuse` makes
 */
export function parseDer(bytes: Uint8Array, maxBytes: number, refuse: Refuse): Der {
  if (bytes.length > maxBytes)
    throw refuse(`${counted(bytes.length, 'byte')}, more than ${maxBytes}`);
  if (bytes.length === 0) throw refuse('no bytes');
  const defect = layoutDefect(bytes);
  if (defect !== undefined) throw refuse(defect);
  const value = read(Buffer.from(bytes), refuse);
  if (!value.bytes.equals(bytes)) throw refuse('an encoding that is not DER');
  return value;
}

/** A primitive value with these content octets. */
export function primitive(tag: number, content: Uint8Array): Der {
  const octets = Buffer.from(content);
  return { tag, content: octets, children: [], bytes: encode(tag, octets) };
}

/** A constructed value of other values, in the given order. */
export function constructed(tag: number, children: readonly Der[]): Der {
  const content = Buffer.concat(children.map((child) => child.bytes));
  return { tag: tag | CONSTRUCTED, content, children, bytes: encode(tag | CONSTRUCTED, content) };
}

/** The content octets of an object identifier in dotted form. */
export function encodeOid(dotted: string): Buffer {
  return Buffer.from(forge.asn1.oidToDer(dotted).getBytes(), 'latin1');
}

/** The dotted form of an object identifier's content octets; undefined if they are not its canonical encoding. */
export function decodeOid(content: Buffer): string | undefined {
  try {
    const dotted = forge.asn1.derToOid(content.toString('latin1'));
    return encodeOid(dotted).equals(content) ? dotted : undefined;
  } catch {
    return undefined;
  }
}

function read(bytes: Buffer, refuse: Refuse): Der {
  try {
    return convert(fromDer(bytes.toString('latin1'), STRICT));
  } catch {
    throw refuse('an encoding that is not DER');
  }
}

function convert(node: forge.asn1.Asn1): Der {
  const tag = node.tagClass | node.type;
  return typeof node.value === 'string'
    ? primitive(tag, Buffer.from(node.value, 'latin1'))
    : constructed(tag, node.value.map(convert));
}

/** Tag, length in its shortest form, and content (X.690 sections 8.1.3 and 10.1). */
function encode(tag: number, content: Buffer): Buffer {
  if ((tag & ~CLASS) === derTag.integer && hasShorterForm(content))
    throw new StowageError('internal', 'a DER value whose content has a shorter form', {
      hint: 'report this with the file that was being read or written',
    });
  const { length } = content;
  const more = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8);
  const bytes = Buffer.allocUnsafe(2 + more + length);
  bytes[0] = tag;
  bytes[1] = more === 0 ? length : 0x80 | more;
  if (more > 0) bytes.writeUIntBE(length, 2, more);
  content.copy(bytes, 2 + more);
  return bytes;
}

/** Whether an integer has a leading octet that says nothing (X.690 section 8.3.2). */
function hasShorterForm(content: Buffer): boolean {
  if (content.length < 2) return false;
  const first = content[0];
  const sign = (content[1] ?? 0) & 0x80;
  return (first === 0x00 && sign === 0) || (first === 0xff && sign !== 0);
}

/** Identifier octets of the universal types that certificates, keys and signatures use. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of context tag `[number]`, primitive. */
export function contextTag(number: number): number {
  return 0x80 | number;
}

/** The identifier octet of context tag `[number]`, constructed. */
export function constructedTag(number: number): number {
  return 0xa0 | number;
}

export function sequence(...children: readonly Der[]): Der {
  return constructed(derTag.sequence, children);
}

/** A SET OF: its members in ascending order of their encodings (X.690 section 11.6). */
export function setOf(members: readonly Der[]): Der {
  return constructed(derTag.set, inSetOrder(members));
}

/** The members in the order of a SET OF. */
export function inSetOrder(members: readonly Der[]): Der[] {
  return [...members].sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}

/** `[number] EXPLICIT`: the value inside a context tag. */
export function explicit(number: number, ...children: readonly Der[]): Der {
  return constructed(constructedTag(number), children);
}

export function oid(dotted: string): Der {
  return primitive(derTag.oid, encodeOid(dotted));
}

export function octetString(bytes: Uint8Array): Der {
  return primitive(derTag.octetString, bytes);
}

/** @param unused number of bits at the end of the last octet that are not part of the string */
export function bitString(bytes: Uint8Array, unused = 0): Der {
  return primitive(derTag.bitString, Buffer.concat([Buffer.from([unused]), bytes]));
}

/** A non-negative integer from its big-endian magnitude, or from a number below 2^31. */
export function integer(value: Uint8Array | number): Der {
  let magnitude = Buffer.from(value instanceof Uint8Array ? value : bigEndian(value));
  while (magnitude[0] === 0) magnitude = magnitude.subarray(1);
  const negative = ((magnitude[0] ?? 0) & 0x80) !== 0 || magnitude.length === 0;
  return primitive(
    derTag.integer,
    negative ? Buffer.concat([Buffer.from([0]), magnitude]) : magnitude,
  );
}

export function boolean(value: boolean): Der {
  return primitive(derTag.boolean, Buffer.from([value ? 0xff : 0]));
}

export function nullValue(): Der {
  return primitive(derTag.null, Buffer.alloc(0));
}

export function utf8String(text: string): Der {
  return primitive(derTag.utf8String, Buffer.from(text, 'utf8'));
}

/** A time truncated to the second: UTCTime from 1950 to 2049, GeneralizedTime otherwise (RFC 5280 section 4.1.2.5). */
export function time(moment: Date): Der {
  const digits = `${moment.toISOString().slice(0, 19).replace(/[-T:]/g, '')}Z`;
  const year = moment.getUTCFullYear();
  return year >= 1950 && year < 2050
    ? primitive(derTag.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : primitive(derTag.generalizedTime, Buffer.from(digits, 'latin1'));
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const UTC_TIME = /(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z/;
const GENERALIZED_TIME = /(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z/;

/**
 * Reads DER values of a required type, and throws its owner's error for any other. Every method takes the value
 * (undefined if it is absent) and its name for the error.
 */
export class DerReader {
  readonly refuse: Refuse;

  constructor(refuse: Refuse) {
    this.refuse = refuse;
  }

  /** {@link parseDer} with this reader's error. */
  parse(bytes: Uint8Array, maxBytes: number): Der {
    return parseDer(bytes, maxBytes, this.refuse);
  }

  /** A value that must exist and have this identifier octet. */
  expect(value: Der | undefined, tag: number, what: string): Der {
    if (value === undefined) throw this.refuse(`${what} is missing`);
    if (value.tag === tag) return value;
    throw this.refuse(`${what} has tag 0x${value.tag.toString(16)}`);
  }

  /** The members of a constructed value, `fewest` to `most` of them. */
  members(
    value: Der | undefined,
    tag: number,
    what: string,
    [fewest, most]: readonly [number, number] = [0, Number.POSITIVE_INFINITY],
  ): readonly Der[] {
    const { children } = this.expect(value, tag, what);
    if (children.length >= fewest && children.length <= most) return children;
    throw this.refuse(`${what} has ${counted(children.length, 'member')}`);
  }

  oid(value: Der | undefined, what: string): string {
    const dotted = decodeOid(this.expect(value, derTag.oid, what).content);
    if (dotted !== undefined) return dotted;
    throw this.refuse(`${what} is not an object identifier`);
  }

  octets(value: Der | undefined, what: string): Buffer {
    return this.expect(value, derTag.octetString, what).content;
  }

  /** The octets of a bit string without unused bits. */
  bits(value: Der | undefined, what: string): Buffer {
    const { content } = this.expect(value, derTag.bitString, what);
    if (content.length > 1 && content[0] === 0) return content.subarray(1);
    throw this.refuse(`${what} is not a string of whole octets`);
  }

  boolean(value: Der | undefined, what: string): boolean {
    const { content } = this.expect(value, derTag.boolean, what);
    if (content.length === 1 && (content[0] === 0 || content[0] === 0xff)) return content[0] !== 0;
    throw this.refuse(`${what} is not a DER boolean`);
  }

  /** The content octets of an integer: two's complement, big-endian, at least one. */
  integer(value: Der | undefined, what: string): Buffer {
    const { content } = this.expect(value, derTag.integer, what);
    if (content.length > 0) return content;
    throw this.refuse(`${what} is an integer without octets`);
  }

  /** An integer from 0 to 127. */
  small(value: Der | undefined, what: string): number {
    const content = this.integer(value, what);
    const number = content[0] ?? 0;
    if (content.length === 1 && number < 0x80) return number;
    throw this.refuse(`${what} is out of range`);
  }

  /** A time in UTC to the second, in the one form that RFC 5280 section 4.1.2.5 allows for its year. */
  time(value: Der | undefined, what: string): Date {
    if (value === undefined) throw this.refuse(`${what} is missing`);
    const pattern = value.tag === derTag.utcTime ? UTC_TIME : GENERALIZED_TIME;
    const found = pattern.exec(value.content.toString('latin1'));
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] =
      found?.slice(1).map(Number) ?? [];
    const full = value.tag === derTag.utcTime ? year + (year < 50 ? 2000 : 1900) : year;
    const moment = new Date(Date.UTC(full, month - 1, day, hour, minute, second));
    // Only the canonical encoding of that time is accepted.
    if (time(moment).bytes.equals(value.bytes)) return moment;
    throw this.refuse(`${what} is not a time in UTC to the second`);
  }
}
