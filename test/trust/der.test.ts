import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { MAX_DER_DEPTH } from '../../src/core/limits.ts';
import { counted } from '../../src/core/text.ts';
import {
  bitString,
  boolean,
  constructed,
  type Der,
  DerReader,
  decodeOid,
  derTag,
  encodeOid,
  integer,
  nullValue,
  octetString,
  oid,
  parseDer,
  primitive,
  sequence,
  setOf,
  time,
} from '../../src/trust/der.ts';
import { expectCode } from '../support/error.ts';
import { nest } from './nest.ts';

const refuse = (defect: string): StowageError =>
  new StowageError('signature-malformed', defect, { hint: 'ask again' });
const parse = (bytes: Uint8Array, maxBytes = 65_536): Der => parseDer(bytes, maxBytes, refuse);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('when bytes are one DER value', () => {
  const value: fc.Arbitrary<Der> = fc.letrec<{ value: Der }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc
        .tuple(fc.constantFrom(0x04, 0x0c, 0x80, 0x43), fc.uint8Array({ maxLength: 300 }))
        .map(([tag, content]) => primitive(tag, content)),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => integer(bytes)),
      fc
        .tuple(fc.constantFrom(0x30, 0xa0, 0x65), fc.array(tie('value'), { maxLength: 4 }))
        .map(([tag, children]) => constructed(tag, children)),
      fc.array(tie('value'), { maxLength: 4 }).map((members) => setOf(members)),
    ),
  })).value;

  it('reads what was written', () => {
    fc.assert(
      fc.property(value, (written) => {
        expect(parse(written.bytes)).toEqual(written);
      }),
      { seed: 1 },
    );
  });

  it('returns children, content and encoding of each value', () => {
    const read = parse(sequence(oid('2.5.4.3'), octetString(Buffer.from('x'))).bytes);
    expect(read.children.map((child) => child.tag)).toEqual([derTag.oid, derTag.octetString]);
    expect(read.children[1]?.content.toString()).toBe('x');
    expect(read.children[1]?.bytes).toEqual(hex('04 01 78'));
  });

  it.each([1, 127, 128, 255, 256, 65_000])('reads a value of %i bytes', (length) => {
    const bytes = octetString(Buffer.alloc(length)).bytes;
    expect(parse(bytes).content.length).toBe(length);
  });
});

describe('when a value is written', () => {
  it.each([
    [0, '02 01 00'],
    [127, '02 01 7f'],
    [128, '02 02 00 80'],
    [0x7fffffff, '02 04 7f ff ff ff'],
    [Buffer.alloc(0), '02 01 00'],
    [Buffer.alloc(3), '02 01 00'],
    [Buffer.from([0, 0, 0x80]), '02 02 00 80'],
  ])('gives the number %j its shortest form', (value, bytes) => {
    expect(integer(value).bytes).toEqual(hex(bytes));
  });

  it.each([
    ['1949-12-31T23:59:59Z', derTag.generalizedTime],
    ['1950-01-01T00:00:00Z', derTag.utcTime],
    ['2049-12-31T23:59:59Z', derTag.utcTime],
    ['2050-01-01T00:00:00Z', derTag.generalizedTime],
  ])('gives %s the form that its year asks for', (moment, tag) => {
    expect(time(new Date(moment)).tag).toBe(tag);
  });
});

describe('when bytes are not one DER value', () => {
  it('reads any bytes to a value of the same bytes or refuses them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          expect(parse(bytes).bytes).toEqual(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(StowageError);
        }
      }),
      { seed: 2, numRuns: 2000 },
    );
  });

  it.each([
    ['no bytes', ''],
    ['a tag alone', '30'],
    ['a value cut short', '30 03 02 01'],
    ['a child past its parent', '30 03 02 02 01 01'],
    ['a trailing byte', '30 00 00'],
    ['a second value', '30 00 30 00'],
    ['an indefinite length', '30 80 02 01 01 00 00'],
    ['a length in long form that fits the short', '04 81 01 00'],
    ['a length with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length of four gigabytes', '30 84 ff ff ff ff'],
    ['a length of 2^63', '30 88 7f ff ff ff ff ff ff ff'],
    ['the reserved length', '30 ff'],
    ['a tag of several bytes', '1f 81 01 00'],
    ['an end-of-contents tag', '30 02 00 00'],
    ['a BMPString', '1e 02 00 41'],
    ['a constructed octet string', '24 03 04 01 00'],
    ['a primitive sequence', '10 00'],
    ['an integer with a needless zero', '02 02 00 01'],
    ['a negative integer with a needless one', '02 02 ff 80'],
  ])('refuses %s', async (_, bytes) => {
    await expectCode(() => parse(hex(bytes)), 'signature-malformed');
  });

  it('names the rule of DER that a length breaks', async () => {
    const long = await expectCode(() => parse(hex('04 81 01 00')), 'signature-malformed');
    expect(long.message).toBe('a length that is not in its shortest form');
    const open = await expectCode(() => parse(hex('30 80 00 00')), 'signature-malformed');
    expect(open.message).toBe('an indefinite length, which is BER and not DER');
    const none = await expectCode(() => parse(hex('')), 'signature-malformed');
    expect(none.message).toBe('no bytes');
  });

  it('refuses 10,000 nested values before they reach a recursive parser', async () => {
    const error = await expectCode(() => parse(nest(10_000)), 'signature-malformed');
    expect(error.message).toContain('nested deeper');
  });

  it('has the documented depth limit', async () => {
    expect(parse(nest(MAX_DER_DEPTH)).tag).toBe(derTag.sequence);
    await expectCode(() => parse(nest(MAX_DER_DEPTH + 1)), 'signature-malformed');
  });

  it('refuses more bytes than allowed without parsing them', async () => {
    const huge = Buffer.alloc(300 * 1024 * 1024);
    const error = await expectCode(() => parse(huge), 'signature-malformed');
    expect(error.message).toContain('more than 65536');
  });
});

describe('when an integer has more octets than it needs', () => {
  // The length of what would be written in its place ends in the octet that was dropped.
  const twin = Buffer.concat([Buffer.from([0xff, 0x80]), Buffer.alloc(254)]);

  it.each([
    ['a zero too many', hex('00 01')],
    ['a one too many', hex('ff 80')],
    ['an octet too many that looks like its length', twin],
  ])('neither writes nor reads %s', async (_, content) => {
    await expectCode(() => primitive(derTag.integer, content), 'internal');
    const bytes = Buffer.concat([octetString(content).bytes]);
    bytes[0] = derTag.integer;
    await expectCode(() => parse(bytes), 'signature-malformed');
  });
});

describe('when an object identifier is read', () => {
  it.each(['1.2.840.113549.1.7.2', '2.5.4.3', '2.16.840.1.101.3.4.3.19', '0.9.2342', '2.999.1'])(
    'gives %s back',
    (dotted) => {
      expect(decodeOid(encodeOid(dotted))).toBe(dotted);
    },
  );

  it.each([
    ['an arc with a leading zero', '2a 80 01'],
    ['an arc that never ends', '2a 86'],
    ['an arc of 10,000 bytes', `2a ${'ff'.repeat(10_000)} 01`],
    ['no bytes', ''],
  ])('refuses %s', (_, bytes) => {
    expect(decodeOid(hex(bytes))).toBeUndefined();
  });
});

const read = new DerReader(
  (defect) => new StowageError('certificate-invalid', defect, { hint: 'ask again' }),
);
const utc = (text: string): ReturnType<typeof primitive> =>
  primitive(derTag.utcTime, Buffer.from(text));
const generalized = (text: string): ReturnType<typeof primitive> =>
  primitive(derTag.generalizedTime, Buffer.from(text));

describe('when a time is read', () => {
  it.each([
    '1949-12-31T23:59:59Z',
    '1950-01-01T00:00:00Z',
    '1999-12-31T23:59:59Z',
    '2049-12-31T23:59:59Z',
    '2050-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ])('gives %s back', (moment) => {
    expect(read.time(time(new Date(moment)), 'it')).toEqual(new Date(moment));
  });

  it.each([
    ['without seconds', utc('2611211000Z')],
    ['with an offset', utc('261121100000+0100')],
    ['on the 30th of February', utc('260230100000Z')],
    ['at second 60', utc('261121100060Z')],
    ['before 2050 in the form for later years', generalized('20261121100000Z')],
    ['with a fraction', generalized('20501121100000.5Z')],
    ['in the year 0', generalized('00000101000000Z')],
    ['that is a number', integer(1)],
    ['that is absent', undefined],
  ])('refuses one %s', async (_, value) => {
    await expectCode(() => read.time(value, 'it'), 'certificate-invalid');
  });
});

describe('when a value is what it should be', () => {
  it('gives what it holds', () => {
    const three = sequence(integer(1), integer(2), integer(3));
    expect(read.members(three, derTag.sequence, 'it')).toHaveLength(3);
    expect(read.members(three, derTag.sequence, 'it', [3, 3])).toHaveLength(3);
    expect(read.members(sequence(), derTag.sequence, 'it')).toEqual([]);
    expect(read.oid(oid('2.5.4.3'), 'it')).toBe('2.5.4.3');
    expect(read.octets(octetString(Buffer.from('x')), 'it')).toEqual(Buffer.from('x'));
    expect(read.octets(octetString(Buffer.alloc(0)), 'it')).toEqual(Buffer.alloc(0));
    expect(read.bits(bitString(Buffer.from('x')), 'it')).toEqual(Buffer.from('x'));
    expect([true, false].map((each) => read.boolean(boolean(each), 'it'))).toEqual([true, false]);
    expect(read.integer(integer(0), 'it')).toEqual(Buffer.from([0]));
    expect([0, 1, 127].map((each) => read.small(integer(each), 'it'))).toEqual([0, 1, 127]);
  });
});

describe('when a value is of another type', () => {
  const nothing = nullValue();

  it.each<[string, string, () => unknown]>([
    ['a list', 'it has tag 0x31', () => read.members(setOf([]), derTag.sequence, 'it')],
    ['an object identifier', 'it has tag 0x5', () => read.oid(nothing, 'it')],
    ['octets', 'it has tag 0x5', () => read.octets(nothing, 'it')],
    ['bits', 'it has tag 0x4', () => read.bits(octetString(Buffer.from([0, 1])), 'it')],
    ['a boolean', 'it has tag 0x2', () => read.boolean(integer(0), 'it')],
    ['an integer', 'it has tag 0x1', () => read.integer(boolean(false), 'it')],
    ['a small integer', 'it has tag 0x4', () => read.small(octetString(Buffer.from([1])), 'it')],
    ['a list that is absent', 'it is missing', () => read.members(undefined, 0x30, 'it')],
    ['an identifier that is absent', 'it is missing', () => read.oid(undefined, 'it')],
  ])('is not taken for %s', async (_, defect, run) => {
    expect((await expectCode(run, 'certificate-invalid')).message).toBe(defect);
  });

  it.each([
    ['fewer', 1],
    ['more', 4],
  ])('refuses a list of %s members than asked for', async (_, count) => {
    const list = sequence(...Array(count).fill(nothing));
    const error = await expectCode(
      () => read.members(list, derTag.sequence, 'it', [2, 3]),
      'certificate-invalid',
    );
    expect(error.message).toBe(`it has ${counted(count, 'member')}`);
  });
});

describe('when a value is not what its type allows', () => {
  it.each<[string, () => unknown]>([
    ['a boolean of 1', () => read.boolean(primitive(derTag.boolean, Buffer.from([1])), 'it')],
    ['an empty boolean', () => read.boolean(primitive(derTag.boolean, Buffer.alloc(0)), 'it')],
    ['a long boolean', () => read.boolean(primitive(derTag.boolean, Buffer.alloc(2)), 'it')],
    ['a negative small number', () => read.small(primitive(2, Buffer.from([0x80])), 'it')],
    ['a small number of two octets', () => read.small(primitive(2, Buffer.from([1, 0])), 'it')],
    ['an empty integer', () => read.integer(primitive(derTag.integer, Buffer.alloc(0)), 'it')],
    ['a large small number', () => read.small(integer(128), 'it')],
    ['a bit string with unused bits', () => read.bits(bitString(Buffer.from([0x80]), 7), 'it')],
    ['an empty bit string', () => read.bits(bitString(Buffer.alloc(0)), 'it')],
    ['a bad identifier', () => read.oid(primitive(derTag.oid, Buffer.from([0x80])), 'it')],
    ['another type', () => read.octets(boolean(true), 'it')],
    ['nothing', () => read.octets(undefined, 'it')],
  ])('refuses %s', async (_, run) => {
    await expectCode(run, 'certificate-invalid');
  });
});
