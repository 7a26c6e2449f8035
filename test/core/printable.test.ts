import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cutTo,
  oneLine,
  printable,
  printableJson,
  printableLines,
  quoted,
} from '../../src/core/printable.ts';

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
