import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LiteralSearch } from '../../src/examine/literal-search.ts';

const texts = ['hf_', 'sk-', 'aaa', 'abab', '\xff\xfe\xfd', 'machine', '"auths"'];
const search = new LiteralSearch(texts.map((text) => ({ text, value: text })));
const found = (content: string): string[] =>
  [...search.find(Buffer.from(content, 'latin1'))].sort();

describe('when literals are searched', () => {
  it.each(texts)('finds %j at each offset, up to both ends', (text) => {
    for (let before = 0; before < 12; before += 1)
      for (let after = 0; after < 12; after += 1)
        expect(found(`${'.'.repeat(before)}${text}${'.'.repeat(after)}`)).toContain(text);
  });

  it.each(texts)('does not find %j without its last or first character', (text) => {
    for (let before = 0; before < 10; before += 1) {
      const dots = '.'.repeat(before);
      expect(found(`${dots}${text.slice(0, -1)}`)).not.toContain(text);
      expect(found(`${dots}${text.slice(1)}`)).not.toContain(text);
    }
  });

  it('finds what a search for each finds', () => {
    const letters = fc.constantFrom('a', 'b', 'h', 'f', '_', 's', 'k', '-', '\xff', '\xfe', '\xfd');
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 200 }), fc.nat(3), (content, cut) => {
        const text = content.join('');
        const bytes = Buffer.from(text, 'latin1').subarray(cut);
        expect([...search.find(bytes)].sort()).toEqual(
          texts.filter((each) => text.slice(cut).includes(each)).sort(),
        );
      }),
    );
  });

  it('refuses a literal that it could miss', () => {
    expect(() => new LiteralSearch([{ text: 'ab', value: 0 }])).toThrow(RangeError);
  });
});
