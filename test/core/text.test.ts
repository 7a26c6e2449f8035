import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  counted,
  cutTo,
  digitsDefect,
  exactBytes,
  fill,
  formatBytes,
  formatDuration,
  normalizeFingerprint,
  oneLine,
  printable,
  printableJson,
  printableLines,
  quoted,
  wrap,
} from '../../src/core/text.ts';

const anyText = fc.string({ unit: 'binary' });
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;

describe('when text is foreign (attack 83)', () => {
  it.each([
    ['\u001b[2J\u001b]0;title\u0007', '<U+001B>[2J<U+001B>]0;title<U+0007>'],
    ['over\rwritten', 'over<U+000D>written'],
    ['\u009b31m', '<U+009B>31m'],
    ['\u007f\u0000', '<U+007F><U+0000>'],
    ['exe\u202egpj', 'exe<U+202E>gpj'],
    ['\u2066isolated\u2069', '<U+2066>isolated<U+2069>'],
    ['zero\u200bwidth\ufeff', 'zero<U+200B>width<U+FEFF>'],
    ['\u2028\u2029', '<U+2028><U+2029>'],
    ['\u{e0041}', '<U+E0041>'],
    ['Hangul filler \u3164', 'Hangul filler <U+3164>'],
    ['narrow\u202fspace', 'narrow<U+202F>space'],
    ['no-break\u00a0space', 'no-break<U+00A0>space'],
    ['private \ue000, noncharacter \uffff', 'private <U+E000>, noncharacter <U+FFFF>'],
    ['half \ud83d a pair', 'half <U+D83D> a pair'],
  ])('shows %j as escapes', (text, shown) => {
    expect(printable(text)).toBe(shown);
    expect(printableLines(text)).toBe(shown);
  });

  it.each([
    ['German', 'ümläuts, a\u0308'],
    ['Chinese', '漢字'],
    ['Hindi', 'हिन्दी'],
    ['Arabic', 'العَرَبِيَّة'],
    ['Thai', 'ภาษาไทย'],
    ['Vietnamese in decomposed form', 'tie\u0302\u0301ng'],
    ['an emoji', '\u{1f600}'],
  ])('leaves %s alone', (_, text) => {
    expect(printable(text)).toBe(text);
  });

  it('escapes line breaks in a name, and keeps them in multi-line text', () => {
    expect(printable('lines\nand\ttabs')).toBe('lines<U+000A>and<U+0009>tabs');
    expect(printableLines('lines\nand\ttabs')).toBe('lines\nand\ttabs');
  });

  it('leaves nothing that moves a cursor in any input', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(printable(text)).not.toMatch(OBEYED);
        expect(printableLines(text).replace(/[\n\t]/g, '')).not.toMatch(OBEYED);
        expect(oneLine(text)).not.toMatch(OBEYED);
        expect(printable(printable(text))).toBe(printable(text));
      }),
    );
  });
});

describe('when foreign text becomes one line of a message', () => {
  it('collapses white space', () => {
    expect(oneLine('  not found\r\n\tin /v2/\u3000x\n')).toBe('not found in /v2/ x');
  });

  it('is never longer than the limit, and ends in a whole character', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 3, max: 40 }), (text, max) => {
        const line = oneLine(text, max);
        expect(line.length).toBeLessThanOrEqual(max);
        expect(line.isWellFormed()).toBe(true);
      }),
    );
  });

  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdefg', 6, 'abc...'],
    ['ab\u{1f600}\u{1f600}', 6, 'ab\u{1f600}\u{1f600}'],
    ['ab\u{1f600}\u{1f600}c', 6, 'ab...'],
  ])('cuts %j to %i code units', (text, max, cut) => {
    expect(cutTo(text, max)).toBe(cut);
  });
});

describe('when JSON or a name in quotes is shown', () => {
  it('escapes what is not drawn, and keeps the values', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const json = JSON.stringify({ text, lines: [text] }, null, 2);
        expect(printableJson(json).replaceAll('\n', '')).not.toMatch(OBEYED);
        expect(JSON.parse(printableJson(json))).toEqual(JSON.parse(json));
      }),
    );
  });

  it('quotes a name, its invisible characters as code points', () => {
    expect(quoted('a\u202fb')).toBe('"a<U+202F>b"');
    expect(quoted('abcdefg', 6)).toBe('"abc..."');
  });
});

describe('when amounts are formatted', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_572_864, '1.5 MiB'],
    [1_610_612_736, '1.50 GiB'],
  ])('rounds %i bytes', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1023 bytes'],
    [1024, '1.0 KiB (1024 bytes)'],
    [1_610_612_736, '1.50 GiB (1610612736 bytes)'],
  ])('says all of %i bytes where they count', (bytes, text) => {
    expect(exactBytes(bytes)).toBe(text);
  });

  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1000, '1.0 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 0 s'],
    [253_000, '4 min 13 s'],
    [3_599_499, '59 min 59 s'],
    [3_600_000, '1 h 0 min'],
    [7_500_000, '2 h 5 min'],
  ])('says how long %i ms are', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it('counts', () => {
    expect([0, 1, 2].map((count) => counted(count, 'part'))).toEqual([
      ...['0 parts', '1 part', '2 parts'],
    ]);
    expect([1, 2].map((count) => counted(count, 'entry', 'entries'))).toEqual([
      ...['1 entry', '2 entries'],
    ]);
  });
});

describe('when a plain text is filled', () => {
  it.each([
    ['a paragraph', 'one two three\nfour', 'one two\nthree four'],
    ['a short line before a long one', 'one\ntwo three four five', 'one two\nthree four\nfive'],
    ['an item', '* one two three four', '* one two\n  three\n  four'],
    ['a numbered item', '1. one two three', '1. one two\n   three'],
    ['two items', '* one\n* two six four', '* one\n* two six\n  four'],
    [
      'an item with indented ones',
      '* one:\n  - two three four five',
      '* one:\n  - two three four five',
    ],
    [
      'commands',
      '    stowage import .\n    stowage status',
      '    stowage import .\n    stowage status',
    ],
    ['a word that is longer than a line', 'one /media/stick/chat', 'one\n/media/stick/chat'],
    ['blank lines and the end', 'one\n\n\ntwo\n', 'one\n\n\ntwo\n'],
  ])('%s', (_, text, filled) => {
    expect(fill(text, 10)).toBe(filled);
    expect(fill(filled, 10)).toBe(filled);
  });

  it('keeps every word, and lines short where words are', () => {
    const word = fc.stringMatching(/^[a-z]{1,12}$/);
    const block = fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => words.join(' '));
    const texts = fc.array(block, { minLength: 1, maxLength: 5 }).map((all) => all.join('\n\n'));
    fc.assert(
      fc.property(texts, fc.integer({ min: 12, max: 40 }), (text, columns) => {
        const filled = fill(text, columns);
        expect(filled.split(/\s+/)).toEqual(text.split(/\s+/));
        for (const line of filled.split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
        expect(wrap(text.replaceAll('\n\n', ' '), columns).join(' ')).toBe(
          text.replaceAll('\n\n', ' '),
        );
      }),
      { seed: 80 },
    );
  });
});

describe('when a user enters a fingerprint', () => {
  it.each([
    ['abcdef01', 'abcdef01'],
    ['AB:CD:EF:01', 'abcdef01'],
    [' ab cd\tef 01\n', 'abcdef01'],
    ['SHA256:AB:CD', 'abcd'],
    ['sha-256 abcd', 'abcd'],
    ['', ''],
  ])('reads %j as %j', (typed, expected) => {
    expect(normalizeFingerprint(typed)).toBe(expected);
  });

  it.each([
    ['', '0 digits given, 16 needed'],
    ['a', '1 digit given, 16 needed'],
    ['a'.repeat(15), '15 digits given, 16 needed'],
    ['a'.repeat(16), undefined],
    ['a'.repeat(64), undefined],
    ['a'.repeat(65), '65 digits given, 64 needed'],
    [`${'a'.repeat(15)}g`, '"g" is not a hexadecimal digit'],
    ['yes', '"y" is not a hexadecimal digit'],
  ])('finds in %j: %s', (typed, expected) => {
    expect(digitsDefect(typed, 16, 64)).toBe(expected);
  });
});
