import { constructed, type Der, encodeOid, primitive } from './der.ts';

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
