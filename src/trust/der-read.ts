import { counted } from '../core/text.ts';
import { type Der, decodeOid, parseDer, type Refuse } from './der.ts';
import { derTag, time } from './der-build.ts';

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
