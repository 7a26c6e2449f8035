import { describe, expect, it } from 'vitest';
import { MAX_DER_DEPTH } from '../../src/core/limits.ts';
import { layoutDefect } from '../../src/trust/der-layout.ts';
import { nest } from './nest.ts';

const defectOf = (hex: string): string | undefined =>
  layoutDefect(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
/** A value of so many bytes, with the length written as given. */
const sized = (length: string, bytes: number): string => `04 ${length} ${'00'.repeat(bytes)}`;

describe('when tags and lengths are those of one value', () => {
  it.each([
    ['nothing in a sequence', '30 00'],
    ['two values in a sequence', '30 06 02 01 01 04 01 00'],
    ['values that end together', '30 06 30 04 30 02 05 00'],
    ['an empty value at the end of two', '30 04 30 02 05 00'],
    ['127 bytes', sized('7f', 127)],
    ['128 bytes', sized('8180', 128)],
    ['255 bytes', sized('81ff', 255)],
    ['256 bytes', sized('820100', 256)],
    ['65,535 bytes', sized('82ffff', 65_535)],
    ['65,536 bytes', sized('83010000', 65_536)],
    ['16 MiB', sized('8401000000', 1 << 24)],
    ['tag number 29', '1d 00'],
    ['number 0 of another class', '80 00'],
    ['number 16 of another class, primitive', '90 00'],
    ['number 4 of another class, constructed', 'a4 00'],
    ['a set', '31 00'],
  ])('has nothing against %s', (_, hex) => {
    expect(defectOf(hex)).toBeUndefined();
  });

  it('accepts an empty value at the maximum depth', () => {
    expect(layoutDefect(nest(MAX_DER_DEPTH))).toBeUndefined();
    const deepest = Buffer.concat([nest(MAX_DER_DEPTH).subarray(0, -2), Buffer.from([0x05, 0])]);
    expect(layoutDefect(deepest)).toBeUndefined();
    const full = [...Array(MAX_DER_DEPTH).keys()].reduce(
      (inner) => Buffer.concat([Buffer.from([0x30, inner.length]), inner]),
      Buffer.from([0x05, 0]),
    );
    expect(layoutDefect(full)).toBeUndefined();
  });
});

describe('when tags and lengths are not those of one value', () => {
  const past = 'truncated, or a value longer than the one that contains it';

  it.each([
    ['no bytes', '', 'cut short'],
    ['a tag alone', '30', 'cut short'],
    ['half a length', '04 82 01', 'cut short'],
    ['a value cut short', '04 02 00', past],
    ['a child past its parent', '30 03 04 02 00 00', past],
    ['a child whose header runs past its parent', '30 01 04 01 00', 'cut short'],
    ['a child whose length runs past its parent', '30 02 04 81 80', 'cut short'],
    ['one byte behind', '30 00 00', '1 byte after the end'],
    ['a second value behind', '05 00 05 00', '2 bytes after the end'],
    ['a length left open', '30 80 00 00', 'an indefinite length, which is BER and not DER'],
    ['a length of five bytes', '04 85 01 00 00 00 00', 'a length of 5 bytes'],
    ['the reserved length', '04 ff', 'a length of 127 bytes'],
    ['a length of four gigabytes', '04 84 ff ff ff ff', past],
    ['127 bytes in long form', sized('817f', 127), 'a length that is not in its shortest form'],
    ['a leading zero', sized('820080', 128), 'a length that is not in its shortest form'],
    ['255 bytes in three', sized('8200ff', 255), 'a length that is not in its shortest form'],
    ['tag number 30', '1e 00', 'a tag of number 30 or more'],
    ['tag number 31 of another class', '9f 00', 'a tag of number 31 or more'],
    ['the end of contents', '00 00', 'an end-of-contents tag'],
    ['the end of contents, constructed', '20 00', 'an end-of-contents tag'],
    ['a primitive sequence', '10 00', 'a universal tag in the wrong form'],
    ['a primitive set', '11 00', 'a universal tag in the wrong form'],
    ['a constructed integer', '22 00', 'a universal tag in the wrong form'],
  ])('says so of %s', (_, hex, defect) => {
    expect(defectOf(hex)).toBe(defect);
  });

  it('reports a value nested too deep', () => {
    const defect = `values nested deeper than ${MAX_DER_DEPTH}`;
    expect(layoutDefect(nest(MAX_DER_DEPTH + 1))).toBe(defect);
  });
});
