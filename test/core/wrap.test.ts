import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fill, wrap } from '../../src/core/wrap.ts';

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
