import { describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { counted } from '../../src/core/text.ts';
import { primitive } from '../../src/trust/der.ts';
import {
  bitString,
  boolean,
  derTag,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  setOf,
  time,
} from '../../src/trust/der-build.ts';
import { DerReader } from '../../src/trust/der-read.ts';
import { expectCode } from '../support/error.ts';

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
